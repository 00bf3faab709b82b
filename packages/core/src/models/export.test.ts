import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { Dim, evaluate, models, nn, onnx, ops, type Tensor, tensor } from "../index.ts";
import { refused, skipped } from "../onnx/testing.ts";

// The environment is one for the process: ours must come before onnxruntime-node's.
beforeAll(async () => void (await evaluate(ops.constant(0))));

const isSlow = process.env.TENSORLANE_SLOW === "1";
/** Hundreds of megabytes or operations each. */
const isLarge = ({ id, variant }: Case): boolean =>
  /^(vgg|alexnet|resnet101|resnet152)/.test(id) || ["naive", "fused"].includes(variant);
const notNow = "TENSORLANE_SLOW=1 runs the large ones, every variant, at full size";

interface Case {
  readonly id: string;
  readonly variant: string;
  readonly input: readonly number[];
}
/** Each network's default variant on a small image; every variant at its own size where there is time. */
const cases = models.architectures.flatMap(({ id, variants, input }): Case[] =>
  (isSlow || id === "googlenet" ? variants : variants.slice(0, 1)).map((variant) => ({
    id,
    variant,
    // GoogLeNet's heads, which the fused variant needs, take no smaller maps.
    input: isSlow || input[1] < 64 || variant === "fused" ? input : [input[0], 64, 64],
  })),
);

/** He's uniform weights by the cheapest of generators: VGG has 138 million. */
function fillWeights(model: nn.Module): void {
  for (const parameter of model.parameters()) {
    if (parameter.shape.length < 2) continue;
    const bound = Math.sqrt(6 / nn.init.fans(parameter.shape).fanIn);
    parameter.fill((target) => {
      let state = target.length;
      for (let i = 0; i < target.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        target[i] = (state / 2 ** 31 - 1) * bound;
      }
    });
  }
}

const batch = new Dim("batch");
const BATCHES = [1, 3, 8];
const CLASSES = 5;

describe("exported with a symbolic batch, every network computes its own scores in onnxruntime", () => {
  for (const one of cases) {
    const { id, variant, input } = one;
    let bytes: Uint8Array | undefined;
    test(`${id}, ${variant}`, { timeout: 600_000 }, async ({ skip }) => {
      if (isLarge(one) && !isSlow) skip(notNow);
      const model = models.architecture(id).build({ numClasses: CLASSES, variant }).eval();
      fillWeights(model);
      bytes = await onnx.exportModel(model, { inputs: { x: { shape: [batch, ...input] } } });
      const size = input.reduce((a, b) => a * b);
      const x = Float32Array.from({ length: 8 * size }, (_, i) => Math.sin(i * 1.7));
      const scores = model.forward(tensor(x, [8, ...input])) as Tensor;
      const own = (await evaluate(scores)).data as Float32Array;
      const largest = own.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      expect(largest).toBeGreaterThan(0);

      const session = await InferenceSession.create(bytes);
      for (const n of BATCHES) {
        const feeds = { x: new OrtTensor("float32", x.subarray(0, n * size), [n, ...input]) };
        const { output } = await session.run(feeds);
        expect(output.dims).toEqual([n, CLASSES]);
        const theirs = output.data as Float32Array;
        // In evaluation mode an image's scores do not depend on the others in the batch.
        const error = theirs.reduce((max, v, i) => Math.max(max, Math.abs(v - own[i])), 0);
        expect(error / largest, `batch ${n}`).toBeLessThan(1e-4);
      }
      await session.release();
    });

    test(`${id}, ${variant}: accepted by onnx.checker`, { timeout: 600_000 }, ({ skip }) => {
      if (skipped) skip(skipped);
      if (!bytes) skip(`there is no file to check; ${notNow}`);
      expect(refused(new Map([[id, bytes!]]))).toEqual([]);
      bytes = undefined;
    });
  }
});
