import { evaluate, optim, tensor } from "tensorlane";
import { describe, expect, test } from "vitest";
import { type Json, readJson } from "./files.ts";
import { Fill } from "./fill.ts";
import { Keywords } from "./keywords.ts";
import { makeOptimizer, startOf, update } from "./optimizers.ts";
import { makeSchedule } from "./schedules.ts";
import { expectClose, tolerance } from "./tolerance.ts";

type Config = Readonly<Record<string, Json>>;
interface OptimizerCase {
  readonly name: string;
  readonly optimizer: string;
  readonly config: Config;
  readonly trajectory: readonly (readonly number[])[];
  readonly float32_error: number;
}
interface ScheduleCase {
  readonly name: string;
  readonly scheduler: string;
  readonly lr: number;
  readonly config: Config;
  readonly lr_by_epoch: readonly number[];
}
interface ClipCase {
  readonly name: string;
  readonly function: string;
  readonly config: Config;
  readonly shapes: readonly (readonly number[])[];
  readonly range: readonly [number, number];
  readonly gradients: readonly (readonly number[])[];
  readonly total_norm: number | null;
  readonly clipped: readonly (readonly number[])[];
  readonly float32_error: number;
}
const golden = readJson<{
  readonly salt: string;
  readonly shape: readonly number[];
  readonly parameter: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly epochs: number;
  readonly losses: readonly number[];
  readonly optimizers: readonly OptimizerCase[];
  readonly schedules: readonly ScheduleCase[];
  readonly clips: readonly ClipCase[];
}>("optim.json");
const fill = new Fill(golden.salt);
/** Nine digits name a float32, but are not equal to it. */
const float32 = (numbers: readonly number[]) => Float32Array.from(numbers);

test("parameter, gradients and clipped gradients are filled as stated", () => {
  const { shape, parameter, gradients } = golden;
  expect([...fill.values("parameter", shape)]).toEqual([...float32(parameter)]);
  const all = fill.values("gradients", [gradients.length, ...shape]);
  expect([...all]).toEqual([...float32(gradients.flat())]);
  for (const { shapes, range, gradients: parts } of golden.clips) {
    for (const [i, own] of shapes.entries()) {
      const filled = fill.between(`clip.${i}`, own, ...range);
      expect([...filled]).toEqual([...float32(parts[i])]);
    }
  }
});

describe("optimizers", () => {
  test.for(golden.optimizers)("$name", async (entry) => {
    const optimizer = makeOptimizer(entry.optimizer, new Keywords(entry.optimizer, entry.config));
    const { shape, parameter, gradients } = golden;
    let state = startOf(optimizer, [tensor(parameter, shape)]);
    const path = gradients.map((gradient, i) => {
      state = update(optimizer, state, [tensor(gradient, shape)], tensor(i + 1));
      return state.parameters[0];
    });
    const results = await evaluate(path);
    const values = results.flatMap((result) => [...(result.data as Float32Array)]);
    expect(results.length, "steps").toBe(entry.trajectory.length);
    expectClose(
      "trajectory",
      values,
      float32(entry.trajectory.flat()),
      tolerance(entry.float32_error),
    );
  });
});

describe("schedules", () => {
  test.for(golden.schedules)("$name", (entry) => {
    const keywords = new Keywords(entry.scheduler, entry.config);
    const schedule = makeSchedule(entry.scheduler, entry.lr, keywords);
    const watches = entry.scheduler === "ReduceLROnPlateau";
    const rates = entry.lr_by_epoch.map((_, epoch) => {
      const rate = schedule.rate();
      // The generator takes one more step after the last recorded rate; it cannot be seen.
      if (epoch + 1 < golden.epochs) schedule.advance(watches ? golden.losses[epoch] : undefined);
      return rate;
    });
    // Both sides compute in float64.
    expectClose("rates", rates, entry.lr_by_epoch, 1e-12);
  });
});

function clip(entry: ClipCase) {
  const k = new Keywords(entry.function, entry.config);
  const parts = entry.shapes.map((shape, i) => tensor(entry.gradients[i], shape));
  if (entry.function === "clip_grad_value_") {
    const clipped = optim.clipGradValue(parts, k.number("clip_value") ?? Number.NaN);
    k.done();
    return { clipped };
  }
  if (entry.function !== "clip_grad_norm_") {
    throw new Error(`clipping function ${entry.function} is not known to this suite`);
  }
  const type = entry.config.norm_type === "inf" ? k.raw("norm_type") : k.number("norm_type", 2);
  const normType = type === "inf" ? Infinity : Number(type);
  const maxNorm = k.number("max_norm") ?? k.fail("max_norm", "a number");
  // Filled gradients are finite.
  k.ignore("error_if_nonfinite").done();
  return optim.clipGradNorm(parts, maxNorm, { normType });
}

describe("clips", () => {
  test.for(golden.clips)("$name", async (entry) => {
    const { clipped, totalNorm } = { totalNorm: undefined, ...clip(entry) };
    const results = await evaluate([...clipped, ...(totalNorm ? [totalNorm] : [])]);
    const limit = tolerance(entry.float32_error);
    expect(clipped.length).toBe(entry.clipped.length);
    for (const [i, expected] of entry.clipped.entries()) {
      expectClose(`gradient ${i}`, results[i].data, float32(expected), limit);
    }
    expect(totalNorm !== undefined, "a norm").toBe(entry.total_norm !== null);
    if (entry.total_norm !== null) {
      const norm = results[clipped.length].data;
      // The norm's own float32 error is not recorded; a sum of squares keeps the floor.
      expectClose("total norm", norm, [entry.total_norm], Math.max(limit, tolerance(1e-9)));
    }
  });
});
