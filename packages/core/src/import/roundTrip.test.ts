import { describe, expect, test } from "vitest";
import {
  Dim,
  evaluate,
  gradients,
  models,
  nn,
  onnx,
  ops,
  scan,
  type Tensor,
  tensor,
} from "../index.ts";

const batch = new Dim("batch");
const wave = (shape: readonly number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7)),
    shape,
  );
};

/** The model's state without what an inference graph does not hold. */
const namesOf = (model: nn.Module): string[] =>
  [...model.stateDict().keys()].filter((name) => !name.endsWith("num_batches_tracked")).sort();

/** Exports, imports, and expects the same names and the same numbers. */
async function expectSame(
  model: nn.Module,
  input: { readonly shape: onnx.InputSpec["shape"]; readonly x: Tensor },
  read: (outputs: never) => Tensor = (y) => y,
): Promise<onnx.ImportedModule> {
  model.eval();
  const { shape, x } = input;
  const forward = ({ x }: Record<string, Tensor>) => read(model.forward(x as never) as never);
  const file = await onnx.exportModel(model, {
    inputs: { x: { shape, dtype: x.dtype } },
    forward: forward as never,
  });
  const imported = onnx.importModel(file).eval();
  expect(namesOf(imported).filter((name) => !namesOf(model).includes(name))).toEqual([]);
  const [ours, theirs] = await evaluate([forward({ x }), imported.forward(x)]);
  expect(theirs.shape).toEqual(ours.shape);
  let largest = 0;
  let gap = 0;
  for (const [i, value] of ours.data.entries()) {
    largest = Math.max(largest, Math.abs(Number(value)));
    gap = Math.max(gap, Math.abs(Number(value) - Number(theirs.data[i])));
  }
  expect(largest).toBeGreaterThan(0);
  expect(gap / largest).toBeLessThan(1e-6);
  return imported;
}

const slow = process.env.TENSORLANE_SLOW === "1";
/** Small files; the rest of the registry, hundreds of megabytes each, with TENSORLANE_SLOW=1. */
const quick = /^(lenet5|googlenet (torch|paper|fused)|resnet(18|20)|plain(18|20))/;
const registry = models.architectures
  .flatMap(({ id, variants, input, build }) =>
    (variants ?? [undefined]).map((variant) => ({ id, variant, input, build })),
  )
  .filter(({ id, variant }) => slow || quick.test(`${id} ${variant}`));

describe("what exportModel writes comes back", () => {
  test.for(registry)("$id $variant", async ({ input: [channels, height], variant, build }) => {
    nn.manualSeed(2);
    const model = build({ numClasses: 4, ...(variant && { variant }) });
    // Heads that are fused into the prediction need images of the paper's size.
    const side = height === 224 && variant !== "fused" ? 64 : height;
    const imported = await expectSame(model, {
      shape: [batch, channels, side, side],
      x: wave([2, channels, side, side]),
    });
    expect(namesOf(imported).filter((name) => !name.startsWith("aux"))).toEqual(
      namesOf(model).filter((name) => !name.startsWith("aux")),
    );
    expect(imported.namedBuffers().map(([name]) => name.replace(/.*\./, ""))).toEqual(
      imported.namedBuffers().map((_, i) => ["running_mean", "running_var"][i % 2]),
    );
  });

  test("columns of VGG with batch norm, 1x1 convolutions and LRN", async () => {
    const features = models.vgg({
      column: "8 L M 8 8/1 M",
      numClasses: 2,
      batchNorm: true,
    }).features;
    await expectSame(features, { shape: [batch, 3, 16, 16], x: wave([2, 3, 16, 16]) });
  });

  const time = new Dim("time");
  const sizes = { inputSize: 3, hiddenSize: 4 };
  const layers = {
    RNN: new nn.RNN({ ...sizes, nonlinearity: "relu" }),
    "RNN, two ways": new nn.RNN({ ...sizes, bidirectional: true }),
    LSTM: new nn.LSTM({ ...sizes, numLayers: 2, bidirectional: true, batchFirst: true }),
    "LSTM without bias": new nn.LSTM({ ...sizes, bias: false }),
    "LSTM with projection, a Scan": new nn.LSTM({ ...sizes, projSize: 2, bidirectional: true }),
    GRU: new nn.GRU({ ...sizes, numLayers: 2 }),
    "GRU that resets before": new nn.GRU({ ...sizes, resetAfter: false, bidirectional: true }),
  };
  test.for(Object.entries(layers))("%s, of open batch and time", async ([, layer]) => {
    const read = ({ output, state }: { output: Tensor; state: { h: Tensor } }) =>
      ops.concat([output.flatten(), state.h.flatten()]);
    for (const shape of [
      [5, 2, 3],
      [1, 4, 3],
    ]) {
      await expectSame(layer, { shape: [time, batch, 3], x: wave(shape) }, read as never);
    }
  });

  test("tokens, normalisation and a loop of one's own; and its gradients", async () => {
    class Net extends nn.Module {
      embedding = new nn.Embedding({ numEmbeddings: 7, embeddingDim: 3 });
      norm = new nn.LayerNorm({ normalizedShape: 3 });
      head = new nn.Linear({ inFeatures: 3, outFeatures: 2 });
      forward(tokens: Tensor): Tensor {
        const x = this.norm.forward(this.embedding.forward(tokens));
        const step = ([sum]: readonly Tensor[], [slice]: readonly Tensor[]) => {
          const next = ops.tanh(this.head.forward(slice)).add(sum.mul(0.5));
          return { states: [next], ys: [next] };
        };
        const first = ops.zeros([x.shape[1], 2]);
        return scan([first], [x], step, { reverse: true }).ys[0].logSoftmax();
      }
    }
    const model = new Net();
    const tokens = tensor([0, 3, 6, 2, 1, 5], [3, 2], "int64");
    const imported = await expectSame(model, { shape: [3, batch], x: tokens });
    const slopes = (net: onnx.ImportedModule | Net) => {
      const named = new Map(net.namedParameters());
      const order = [...named.keys()].sort().map((name) => named.get(name)!);
      return gradients(net.forward(tokens).square().sum(), order);
    };
    const [own, theirs] = [await evaluate(slopes(model)), await evaluate(slopes(imported))];
    expect(own).toHaveLength(5);
    for (const [i, { data }] of own.entries()) {
      for (const [k, value] of data.entries())
        expect(theirs[i].data[k]).toBeCloseTo(Number(value), 5);
    }
  });

  test("an imported model can be exported again", async () => {
    const model = models.resnet20({ numClasses: 3 });
    const input = { shape: [batch, 3, 16, 16], x: wave([2, 3, 16, 16]) };
    const imported = await expectSame(model, input);
    const again = await expectSame(imported, input);
    expect(namesOf(again)).toEqual(namesOf(model));
  });
});
