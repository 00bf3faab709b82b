import { expect, test } from "vitest";
import { commandLine } from "./commandLine.ts";
import { tasks } from "./index.ts";
import { planTrain } from "./plan.ts";

const lines: readonly (readonly [string, Parameters<typeof planTrain>[1], string])[] = [
  ["names", {}, "--data surnames --model bilstm --seed 1"],
  [
    "generate",
    {
      ...{ models: ["gru"], epochs: 3, batch: 8, lr: 0.01, seed: 4, quick: true },
      extra: { unit: "word", eachStep: true, weightDropout: 0.1, layers: 1, tied: false },
    },
    "--data tiny-shakespeare --model gru --epochs 3 --batch 8 --lr 0.01 --unit word --each-step --weight-dropout 0.1 --seed 4 --quick",
  ],
  [
    "sentiment",
    { extra: { phrases: false, vectors: "my vectors.txt" } },
    "--data sst --model treelstm --vectors 'my vectors.txt' --no-phrases --seed 1",
  ],
  ["sentiment", { extra: { phrases: true } }, "--data sst --model treelstm --seed 1"],
  [
    "classify",
    { extra: { from: "it's", freeze: ["features", "fc"] } },
    "--data mnist --model lenet5 --from 'it'\\''s' --freeze features,fc --seed 1",
  ],
  [
    "caption",
    { extra: { minCount: 2, freeze: true } },
    "--data flickr8k-part --model show-attend --min-count 2 --freeze --seed 1",
  ],
  ["forecast", { models: ["lstm", "gru"] }, "--data los-loop --model lstm,gru --seed 1"],
];

test.each(lines)("the command of %s has what was asked for: %j", async (name, request, line) => {
  const task = tasks[name]!;
  const options = await planTrain(task, { ...request, out: "x" });
  expect(commandLine(task, options)).toBe(`tensorlane train ${name} ${line}`);
});
