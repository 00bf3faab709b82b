import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { evaluate, models, nn, type Tensor, tensor, weights } from "../index.ts";
import { runPython, whySkipped } from "../onnx/testing.ts";

const script = fileURLToPath(new URL("../../fixtures/pytorch/roundTrip.py", import.meta.url));
const skipped = whySkipped("torch", "torchvision");

/** Networks of torchvision's by its names, and the side of the image. */
type Case = readonly [net: string, build: () => models.Classifier, side: number];
const cases: readonly Case[] = [
  ["googlenet", () => models.googlenet(), 64],
  ["resnet18", () => models.resnet18(), 64],
];
/** Up to 0.5 GB each: with TENSORLANE_SLOW=1 only, and so are the deep ones. */
const large: readonly Case[] = [
  ["alexnet", () => models.alexnet(), 64],
  ["resnet34", () => models.resnet34(), 64],
  ["resnet50", () => models.resnet50(), 64],
  ["resnet101", () => models.resnet101(), 64],
  ["resnet152", () => models.resnet152(), 64],
  ...([11, 13, 16, 19] as const).flatMap((depth): Case[] => {
    const build = models[`vgg${depth}`];
    return [
      [`vgg${depth}`, () => build(), 32],
      [`vgg${depth}_bn`, () => build({ batchNorm: true }), 32],
    ];
  }),
];
const isSlow = process.env.TENSORLANE_SLOW === "1";
const chosen = isSlow ? [...cases, ...large] : cases;

function inFolder<T>(run: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tensorlane-torchvision-"));
  try {
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const readFrom = (folder: string, file: string) => new Uint8Array(readFileSync(join(folder, file)));
const floats = (bytes: Uint8Array) => {
  const { arrays } = weights.readSafetensors(bytes);
  return (name: string) => arrays.get(name) as { data: Float32Array; shape: readonly number[] };
};

async function logitsOf(model: models.Classifier, x: Tensor): Promise<Float32Array> {
  return (await evaluate(model.eval().forward(x) as Tensor)).data as Float32Array;
}

/** Largest difference, relative to the largest value. */
function distance(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const largest = b.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i])), 0) / largest;
}
/**
 * How far float32 may be from the exact result: a few times as far as PyTorch's own float32 is, which it
 * records beside its logits, or as the rounding of a few results.
 */
const allowed = (error: Float32Array): number => 8 * Math.max(error[0], 2 ** -23);

describe("torchvision's weights here", () => {
  test.for(
    chosen.flatMap(([net, build, side], i) =>
      // Both serialisations in turn; all of both where there is time.
      (isSlow ? (["zip", "stream"] as const) : ([i % 2 ? "stream" : "zip"] as const)).map(
        (kind) => ({ net, build, side, kind }),
      ),
    ),
  )("$net out of a $kind file gives PyTorch's logits", async (given, { skip }) => {
    if (skipped) skip(skipped);
    const { net, build, side, kind } = given;
    const { file, expected } = inFolder((folder) => {
      runPython([script, "write", folder, net, kind, String(side)]);
      return {
        file: weights.readPyTorch(readFrom(folder, `${net}.pth`)),
        expected: floats(readFrom(folder, `${net}.safetensors`)),
      };
    });
    expect(file.format).toBe(kind);
    const model = build();
    const report = model.loadStateDict(file.arrays);
    expect(report.isComplete).toBe(true);
    expect([...file.arrays.keys()]).toEqual(report.loaded);
    const { data, shape } = expected("input");
    const own = await logitsOf(model, tensor(data, shape));
    const limit = allowed(expected("float32_error").data);
    expect(distance(own, expected("exact").data)).toBeLessThanOrEqual(limit);
  });
});

describe("our weights in PyTorch", () => {
  test.for(chosen.map(([net, build, side]) => ({ net, build, side })))(
    "$net gives our logits",
    async ({ net, build, side }, { skip }) => {
      if (skipped) skip(skipped);
      const model = nn.init.initialize(build(), { seed: 3 });
      for (const [name, { data }] of model.namedBuffers()) {
        // Statistics that are not those of a network that has seen nothing.
        for (let i = 0; i < data.length; i++) {
          if (name.endsWith("running_mean")) data[i] = 0.1 * Math.sin(i);
          if (name.endsWith("running_var")) data[i] = 1 + 0.3 * Math.cos(i);
        }
      }
      const shape = [2, 3, side, side];
      const x = Float32Array.from({ length: 6 * side * side }, (_, i) => Math.sin(0.37 * i));
      const theirs = inFolder((folder) => {
        const write = (name: string, arrays: weights.NamedArrays) =>
          writeFileSync(join(folder, `${name}.safetensors`), weights.writeSafetensors(arrays));
        write("weights", model.stateDict());
        write("input", new Map([["input", { data: x, shape }]]));
        runPython([script, "read", folder, net]);
        return floats(readFrom(folder, "logits.safetensors"));
      });
      const own = await logitsOf(model, tensor(x, shape));
      const limit = allowed(theirs("float32_error").data);
      expect(distance(own, theirs("exact").data)).toBeLessThanOrEqual(limit);
    },
  );
});
