import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { planTrain } from "../plan.ts";
import { quietUi } from "../testing.ts";
import { classify } from "./index.ts";

const mirror = fileURLToPath(new URL("../../../../../shared/data/", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "tensorlane-goals-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

// Whole trainings of minutes each: only with TENSORLANE_SLOW=1 (and the data of ../shared/data).
describe.runIf(process.env.TENSORLANE_SLOW === "1" && existsSync(mirror))(
  "the recipes reach",
  () => {
    test.each([
      ["mnist", "lenet5", 0.95],
      ["gtsrb-part", "resnet20", 4],
      ["cifar10-part", "resnet20", 25],
    ])(
      "on %s with %s at most %f %% test error",
      async (data, model, error) => {
        process.env.TENSORLANE_DATA_MIRROR = mirror;
        const out = join(scratch, data);
        const options = await planTrain(classify, { data, models: [model], seed: 1, out });
        const { metrics } = await classify.train(options, quietUi().ui);
        expect(metrics.error).toBeLessThanOrEqual(error);
      },
      3_600_000,
    );
  },
);
