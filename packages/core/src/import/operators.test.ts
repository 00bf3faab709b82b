import { create, toBinary } from "@bufbuild/protobuf";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { evaluate, onnx, ops, type Result, type Tensor, tensor } from "../index.ts";
import { type Attribute, f32, GraphBuilder, valueInfo } from "../onnx/builder.ts";
import { ModelProtoSchema } from "../onnx/onnx_pb.ts";
import { operators } from "./operators/index.ts";

/** ONNX Runtime itself, through its own binding, is the reference for every operator. */
beforeAll(async () => void (await evaluate(ops.constant(0))));

const floats = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + 0.3)),
    shape,
  );
};
const positive = (...shape: number[]) =>
  floats(...shape)
    .abs()
    .add(0.1);
const bools = (...shape: number[]) => floats(...shape).greater(0);
const ints = (...values: number[]) => tensor(values, [values.length], "int64");
const scalar = (value: number, dtype: "float32" | "int64" = "float32") =>
  tensor([value], [], dtype);

interface Case {
  /** Fed at the run. */
  readonly fed?: readonly Tensor[];
  /** Constants of the file, after those that are fed; null leaves an input out. */
  readonly fixed?: readonly (Tensor | null)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly outputs?: number;
  readonly opset?: number;
}
const one = (fed: Tensor, attributes: Case["attributes"] = {}): Case => ({
  fed: [fed],
  attributes,
});
const [a, b] = [floats(2, 3), floats(3).mul(2)];
const pairs: Case[] = [{ fed: [a, b] }];
const masks: Case[] = [{ fed: [bools(2, 3), bools(3)] }];
const image = floats(2, 3, 7, 6);
const gates = (directions: number): Tensor[] => [
  floats(directions, 16, 3),
  floats(directions, 16, 4),
  floats(directions, 32),
];
const series = floats(5, 2, 3);
const reduction = (x: Tensor): Case[] => [
  one(x),
  one(x, { axes: [1], keepdims: 0 }),
  one(x, { axes: [0, -1] }),
];
const pools = { kernel_shape: [3, 2], strides: [2, 2] };

const cases: Readonly<Record<string, readonly Case[]>> = {
  Abs: [one(a)],
  Add: [...pairs, { fed: [a], fixed: [b] }],
  And: masks,
  ArgMax: [one(a), one(a, { axis: 1, keepdims: 0 })],
  ArgMin: [one(a, { axis: -1 })],
  AveragePool: [
    one(image, pools),
    one(image, { ...pools, pads: [1, 1, 1, 1], count_include_pad: 1 }),
    one(image, { ...pools, pads: [1, 0, 0, 1] }),
    one(image, { ...pools, pads: [1, 0, 0, 1], count_include_pad: 1 }),
    one(image, { ...pools, auto_pad: "SAME_UPPER" }),
    one(floats(2, 3, 5, 4, 4), { kernel_shape: [3, 1, 1], pads: [1, 0, 0, 1, 0, 0] }),
    one(floats(2, 3, 2, 4, 4), { kernel_shape: [1, 2, 2] }),
    one(floats(2, 3, 6), { kernel_shape: [2], strides: [2] }),
  ],
  BatchNormalization: [
    { fed: [image], fixed: [b, b, b, positive(3)], attributes: { epsilon: f32(1e-3) } },
    { fed: [floats(4, 3)], fixed: [b, b, b, positive(3)] },
  ],
  Cast: [one(a, { to: 7 }), one(bools(3), { to: 1 })],
  Ceil: [one(a)],
  Clip: [
    { fed: [a], fixed: [scalar(-0.3), scalar(0.4)] },
    { fed: [a], fixed: [null, scalar(0.4)] },
    { ...one(a, { min: f32(-0.2) }), opset: 9 },
  ],
  Concat: [{ fed: [a, floats(2, 1)], attributes: { axis: -1 } }],
  Conv: [
    { fed: [image], fixed: [floats(4, 3, 3, 3), floats(4)], attributes: { pads: [1, 0, 2, 1] } },
    { fed: [image], fixed: [floats(3, 1, 2, 2)], attributes: { group: 3, auto_pad: "SAME_LOWER" } },
    { fed: [floats(2, 3, 8)], fixed: [floats(4, 3, 3)], attributes: { dilations: [2] } },
  ],
  ConvTranspose: [
    {
      fed: [image],
      fixed: [floats(3, 2, 3, 3)],
      attributes: { strides: [2, 2], pads: [1, 0, 0, 1], output_padding: [1, 1] },
    },
  ],
  Cos: [one(a)],
  CumSum: [
    { fed: [a], fixed: [scalar(1, "int64")] },
    { fed: [a], fixed: [scalar(0, "int64")], attributes: { reverse: 1 } },
  ],
  DepthToSpace: [
    one(floats(1, 8, 2, 3), { blocksize: 2 }),
    one(floats(1, 8, 2, 3), { blocksize: 2, mode: "CRD" }),
  ],
  Div: pairs,
  Dropout: [
    { fed: [a], fixed: [scalar(0.3)] },
    { ...one(a, { ratio: f32(0.3) }), opset: 10 },
  ],
  Elu: [one(a, { alpha: f32(0.7) })],
  Equal: [{ fed: [a, a] }],
  Erf: [one(a)],
  Exp: [one(a)],
  Expand: [{ fed: [floats(2, 1)], fixed: [ints(4, 1, 3)] }],
  Flatten: [one(image), one(image, { axis: -1 }), one(image, { axis: 0 }), one(image, { axis: 4 })],
  Floor: [one(a)],
  GRU: [
    {
      fed: [series],
      fixed: [floats(1, 12, 3), floats(1, 12, 4)],
      attributes: { hidden_size: 4, direction: "reverse" },
      outputs: 2,
    },
    {
      fed: [series],
      fixed: [floats(2, 12, 3), floats(2, 12, 4), floats(2, 24)],
      attributes: { hidden_size: 4, direction: "bidirectional", linear_before_reset: 1 },
      outputs: 2,
    },
  ],
  Gather: [
    { fed: [a], fixed: [ints(1, -1)], attributes: { axis: 1 } },
    { fed: [a], fixed: [scalar(-2, "int64")] },
    { fed: [a, ints(0, 1, 0)] },
  ],
  GatherElements: [{ fed: [a, tensor([1, 0], [1, 2], "int64")] }],
  Gemm: [
    { fed: [a], fixed: [floats(4, 3), floats(4)], attributes: { transB: 1 } },
    {
      fed: [floats(3, 2)],
      fixed: [floats(3, 4), floats(2, 1)],
      attributes: { transA: 1, alpha: f32(0.5), beta: f32(2) },
    },
    { fed: [a], fixed: [floats(3, 4)] },
  ],
  GlobalAveragePool: [one(image)],
  GlobalMaxPool: [one(image)],
  Greater: pairs,
  GreaterOrEqual: pairs,
  HardSigmoid: [one(floats(20).mul(4)), one(a, { alpha: f32(0.5), beta: f32(0.1) })],
  HardSwish: [one(floats(20).mul(5))],
  Identity: [one(a)],
  InstanceNormalization: [{ fed: [image], fixed: [b, b] }],
  IsNaN: [one(tensor([1, Number.NaN], [2]))],
  LRN: [one(image, { size: 3, alpha: f32(0.5), beta: f32(0.6), bias: f32(1.5) })],
  LSTM: [
    { fed: [series], fixed: gates(1), attributes: { hidden_size: 4 }, outputs: 3 },
    {
      fed: [series],
      fixed: [...gates(2), tensor([5, 3], [2], "int32"), floats(2, 2, 4), floats(2, 2, 4)],
      attributes: { hidden_size: 4, direction: "bidirectional" },
      outputs: 3,
    },
  ],
  LayerNormalization: [
    { fed: [a], fixed: [b, b] },
    { fed: [a], fixed: [b] },
  ],
  LeakyRelu: [one(a, { alpha: f32(0.2) })],
  Less: pairs,
  LessOrEqual: pairs,
  Log: [one(positive(2, 3))],
  LogSoftmax: [one(a), { ...one(image), opset: 11 }],
  MatMul: [{ fed: [floats(2, 3, 4)], fixed: [floats(4, 5)] }, { fed: [a, b] }],
  Max: [{ fed: [a, b, floats(2, 1)] }],
  MaxPool: [
    one(image, { ...pools, pads: [1, 1, 1, 1] }),
    one(image, { ...pools, pads: [2, 0, 0, 1] }),
    one(image, { kernel_shape: [2, 2], dilations: [2, 1] }),
    one(image, { ...pools, ceil_mode: 1 }),
    one(floats(2, 3, 6), { kernel_shape: [3], strides: [2] }),
  ],
  Min: [{ fed: [a, b] }],
  Mul: pairs,
  Neg: [one(a)],
  Not: [one(bools(4))],
  Or: masks,
  PRelu: [{ fed: [image], fixed: [positive(3, 1, 1)] }],
  Pad: [
    { fed: [a], fixed: [ints(1, 0, 0, 2), scalar(0.5)] },
    { fed: [a], fixed: [ints(1, 2, 0, 1)], attributes: { mode: "reflect" } },
    { fed: [a], fixed: [ints(0, 2, 1, 1)], attributes: { mode: "edge" } },
    { ...one(a, { pads: [0, 1, 0, 1] }), opset: 10 },
  ],
  Pow: [
    { fed: [positive(2, 3)], fixed: [scalar(1.5)] },
    { fed: [a], fixed: [scalar(2)] },
    { fed: [positive(2, 3), b] },
  ],
  RNN: [
    {
      fed: [series],
      fixed: [floats(2, 4, 3), floats(2, 4, 4), floats(2, 8)],
      attributes: { hidden_size: 4, direction: "bidirectional", activations: ["Relu", "Relu"] },
      outputs: 2,
    },
  ],
  Reciprocal: [one(positive(3))],
  ReduceL1: reduction(image),
  ReduceL2: reduction(image),
  ReduceLogSum: reduction(positive(2, 3, 4)),
  ReduceLogSumExp: reduction(image),
  ReduceMax: reduction(image),
  ReduceMean: reduction(image),
  ReduceMin: reduction(image),
  ReduceProd: reduction(positive(2, 3, 2)),
  ReduceSum: [
    { fed: [image], fixed: [ints(1, -1)], attributes: { keepdims: 0 } },
    one(image),
    one(image, { noop_with_empty_axes: 1 }),
    { ...one(image, { axes: [2] }), opset: 11 },
  ],
  ReduceSumSquare: reduction(image),
  Relu: [one(a)],
  Reshape: [{ fed: [image], fixed: [ints(0, -1, 2)] }],
  Round: [one(floats(9).mul(3))],
  ScatterElements: [
    {
      fed: [a, tensor([1, 0], [1, 2], "int64"), floats(1, 2)],
      attributes: { reduction: "add" },
      opset: 16,
    },
  ],
  ScatterND: [
    {
      fed: [a, tensor([1, 1], [2, 1], "int64"), floats(2, 3)],
      attributes: { reduction: "add" },
      opset: 16,
    },
  ],
  Sigmoid: [one(a)],
  Sign: [one(a)],
  Sin: [one(a)],
  Slice: [
    { fed: [image], fixed: [ints(1, -3), ints(2, 2 ** 40), ints(1, 3), ints(1, 2)] },
    { fed: [floats(7, 2)], fixed: [ints(-1), ints(-(2 ** 40)), ints(0), ints(-1)] },
    { fed: [floats(7, 2)], fixed: [ints(5), ints(1), ints(0), ints(-2)] },
    { ...one(image, { starts: [1], ends: [3], axes: [2] }), opset: 9 },
  ],
  Softmax: [one(image), one(image, { axis: 1 }), { ...one(image), opset: 11 }],
  Softplus: [one(a)],
  Split: [
    { fed: [a], fixed: [ints(1, 2)], attributes: { axis: 1 }, outputs: 2 },
    { ...one(floats(4, 2), { split: [1, 3] }), outputs: 2, opset: 11 },
    { ...one(floats(4, 2)), outputs: 2 },
  ],
  Sqrt: [one(positive(3))],
  Squeeze: [
    { fed: [floats(1, 3, 1)], fixed: [ints(-1)] },
    one(floats(1, 3, 1)),
    { ...one(floats(1, 3), { axes: [0] }), opset: 11 },
  ],
  Sub: pairs,
  Tanh: [one(a)],
  Tile: [{ fed: [a], fixed: [ints(2, 3)] }],
  TopK: [{ fed: [a], fixed: [ints(2)], attributes: { largest: 0 }, outputs: 2 }],
  Transpose: [one(image), one(image, { perm: [0, 2, 3, 1] })],
  Trilu: [
    one(floats(3, 4)),
    { fed: [floats(3, 4)], fixed: [scalar(1, "int64")], attributes: { upper: 0 } },
  ],
  Unsqueeze: [
    { fed: [a], fixed: [ints(0, -1)] },
    { ...one(a, { axes: [1] }), opset: 11 },
  ],
  Where: [{ fed: [bools(2, 3), a, b] }],
  Xor: masks,
};
/** Made of known values only, or of bodies: the other tests have them. */
const elsewhere = ["Constant", "ConstantOfShape", "If", "Range", "Scan", "Shape", "Size"];

const onnxValue = ({ dtype, shape, data }: Result) =>
  new OrtTensor(dtype as "float32", data as Float32Array, shape as number[]);

async function expectLikeOnnxRuntime(opType: string, own: Case): Promise<void> {
  const { fed = [], fixed = [], attributes, outputs = 1, opset = 17 } = own;
  const builder = new GraphBuilder();
  const values = await evaluate(fed);
  for (const [i, { dtype, shape }] of values.entries()) {
    builder.inputs.push(valueInfo(`x${i}`, dtype as "float32", shape));
  }
  const constants = fixed.map((value, i) => (value ? `c${i}` : ""));
  for (const [i, value] of fixed.entries()) {
    if (!value) continue;
    const { dtype, shape, data } = await evaluate(value);
    builder.initializer(`c${i}`, dtype as "float32", shape as number[], data);
  }
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  builder.node(opType, [...fed.map((_, i) => `x${i}`), ...constants], attributes, names);
  const graph = builder.finish("one");
  const opsetImport = [{ domain: "", version: BigInt(opset) }];
  const draft = { irVersion: 8n, opsetImport, graph };
  const imported = onnx.importModel(toBinary(ModelProtoSchema, create(ModelProtoSchema, draft)), {
    outputs: names,
  });
  const results = [...imported.eval().compute(fed).values()];
  const ours = await evaluate(results);
  graph.output = ours.map(({ dtype }, i) => valueInfo(names[i], dtype as "float32", undefined));
  const file = toBinary(ModelProtoSchema, create(ModelProtoSchema, draft));
  const session = await InferenceSession.create(file);
  const theirs = await session.run(
    Object.fromEntries(values.map((value, i) => [`x${i}`, onnxValue(value)])),
  );
  for (const [i, name] of names.entries()) {
    expect(ours[i].shape).toEqual([...theirs[name].dims]);
    // A node's declared shape is checked at build time: it must be what the run gives.
    expect(results[i].shape).toEqual(ours[i].shape);
    for (const [k, value] of (theirs[name].data as Float32Array).entries()) {
      expect(Number(ours[i].data[k]), `${name}[${k}]`).toBeCloseTo(Number(value), 4);
    }
  }
}

describe("every operator computes what ONNX Runtime does", () => {
  test("and has a case", () => {
    const there = [...Object.keys(cases), ...elsewhere].sort();
    expect(there).toEqual(Object.keys(operators).sort());
  });

  test.for(Object.entries(cases))("%s", async ([opType, list]) => {
    for (const own of list) await expectLikeOnnxRuntime(opType, own);
  });
});
