import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Dim, nn, onnx, placeholder, TensorlaneError, tensor } from "../index.ts";
import { GraphBuilder, valueInfo } from "../onnx/builder.ts";
import {
  TensorProto_DataLocation as DataLocation,
  type GraphProto,
  ModelProtoSchema,
  TensorProtoSchema,
} from "../onnx/onnx_pb.ts";

interface Parts {
  readonly opset?: number;
  readonly outputs?: readonly string[];
}
/** A file with x (2, 3) and what `write` adds; its output is y. */
function fileOf(
  write: (builder: GraphBuilder) => void,
  { opset = 17, outputs = ["y"] }: Parts = {},
  change: (graph: GraphProto) => void = () => {},
): Uint8Array {
  const builder = new GraphBuilder();
  builder.inputs.push(valueInfo("x", "float32", [2, 3]));
  for (const name of outputs) builder.outputs.push(valueInfo(name, "float32", undefined));
  write(builder);
  const graph = builder.finish("test");
  change(graph);
  const opsetImport = [{ domain: "", version: BigInt(opset) }];
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph }),
  );
}
const floats = (length: number) => new Float32Array(length).fill(0.5);
const x = () => tensor(floats(6), [2, 3]);
const relu = (builder: GraphBuilder) => builder.node("Relu", ["x"], {}, ["y"]);
const weighted = (change: (graph: GraphProto) => void) =>
  fileOf(
    (builder) => {
      builder.initializer("w", "float32", [3, 4], floats(12));
      builder.node("MatMul", ["x", "w"], {}, ["y"]);
    },
    {},
    change,
  );

describe("files that are refused when they are read", () => {
  const cases: Record<string, readonly [Uint8Array, string]> = {
    "no file": [Uint8Array.of(1, 2, 3), "not a readable ONNX file of 3 bytes"],
    "an empty file": [new Uint8Array(0), "holds no graph"],
    "a newer operator set": [fileOf(relu, { opset: 18 }), "operator set 18; 9 to 17 are read"],
    "an old one": [fileOf(relu, { opset: 8 }), "operator set 8"],
    "an unknown operator": [
      fileOf((b) => b.node("Einsum", ["x"], {}, ["y"])),
      'operators that are not read: "y/Einsum" (Einsum)',
    ],
    "an operator called like a method": [
      fileOf((b) => b.node("constructor", ["x"], {}, ["y"])),
      '"y/constructor" (constructor)',
    ],
    "an unknown domain": [
      fileOf((b) => b.node("Relu", ["x"], {}, ["y"], { domain: "com.microsoft" })),
      'of domain "com.microsoft"',
    ],
    "a missing initializer": [
      fileOf((b) => b.node("Add", ["x", "w"], {}, ["y"])),
      'node "y/Add" (Add) reads "w", which is neither an input, a constant',
    ],
    "a cycle": [
      fileOf((b) => {
        b.node("Add", ["x", "b"], {}, ["a"]);
        b.node("Relu", ["a"], {}, ["b"]);
        b.node("Relu", ["b"], {}, ["y"]);
      }),
      'reads "b", which is computed after it: the graph has a cycle',
    ],
    "a name given twice": [
      fileOf((b) => {
        b.node("Relu", ["x"], {}, ["y"]);
        b.node("Tanh", ["x"], {}, ["y"]);
      }),
      'computes "y", which is there already',
    ],
    "a missing output": [fileOf(relu, { outputs: ["z"] }), 'no node computes the output "z"'],
    "a shape that its data do not fill": [
      weighted(({ initializer: [w] }) => {
        w.dims = [3n, 5n];
      }),
      'the constant "w" has shape [3, 5] of FLOAT, but the file holds 12 elements',
    ],
    "a shape of 2^60 elements": [
      weighted(({ initializer: [w] }) => {
        w.dims = [2n ** 60n];
      }),
      "but the file holds 12 elements",
    ],
    "a shape whose product overflows": [
      weighted(({ initializer: [w] }) => {
        w.dims = [2n ** 62n, 4n, 12n];
      }),
      "but the file holds 12 elements",
    ],
    "half an element": [
      weighted(({ initializer: [w] }) => {
        w.rawData = new Uint8Array(47);
      }),
      "but the file holds 11.75 elements",
    ],
    "external data": [
      weighted((graph) => {
        const { name, dims, dataType } = graph.initializer[0];
        const dataLocation = DataLocation.EXTERNAL;
        graph.initializer[0] = create(TensorProtoSchema, { name, dims, dataType, dataLocation });
      }),
      'the constant "w" lies in another file',
    ],
    "float16 weights": [
      weighted(({ initializer: [w] }) => {
        w.dataType = 10;
      }),
      'the constant "w" has elements of FLOAT16',
    ],
  };
  test.for(Object.entries(cases))("%s", ([, [bytes, message]]) => {
    expect(() => onnx.importModel(bytes)).toThrow(TensorlaneError);
    expect(() => onnx.importModel(bytes)).toThrow(message);
  });

  test("operators behind the cut are not looked at", () => {
    const file = fileOf((b) => {
      b.node("Relu", ["x"], {}, ["inner"]);
      b.node("Einsum", ["inner"], {}, ["y"]);
    });
    expect(onnx.importModel(file, { outputs: ["inner"] }).forward(x()).shape).toEqual([2, 3]);
    expect(() => onnx.importModel(file, { outputs: [] })).toThrow("no outputs are asked for");
  });
});

describe("graphs that are refused when they are run", () => {
  const ints = (builder: GraphBuilder, name: string, values: readonly number[]) =>
    builder.initializer(name, "int64", [values.length], BigInt64Array.from(values, BigInt));
  const cases: Record<string, readonly [Uint8Array, string]> = {
    "a shape that does not fit": [
      weighted(({ initializer: [w] }) => {
        w.dims = [4n, 3n];
      }),
      'node "y/MatMul" (MatMul): matmul: float32[2, 3] times float32[4, 3]',
    ],
    "a shape known only to the run": [
      fileOf((b) => {
        b.node("Cast", ["x"], { to: 7 }, ["s"]);
        b.node("Reshape", ["x", "s"], {}, ["y"]);
      }),
      'node "y/Reshape" (Reshape): input 1 is computed while the graph runs (int64[2, 3])',
    ],
    "an attribute that is not known": [
      fileOf((b) => b.node("Relu", ["x"], { slope: 2 }, ["y"])),
      "attribute slope is not read; its inputs are float32[2, 3]",
    ],
    "an attribute of another type": [
      fileOf((b) => b.node("Softmax", ["x"], { axis: "last" }, ["y"])),
      "attribute axis should be of type INT, received STRING",
    ],
    "an input too many": [
      fileOf((b) => b.node("Relu", ["x", "x"], {}, ["y"])),
      'input 1, "x", is not read',
    ],
    "a missing input": [fileOf((b) => b.node("Add", ["x"], {}, ["y"])), "input 1 is missing"],
    "an output that nobody fills": [
      fileOf((b) => {
        b.node("Relu", ["x"], {}, ["a", "b"]);
        b.node("Tanh", ["b"], {}, ["y"]);
      }),
      '"b" has no value',
    ],
    "a step of 0": [
      fileOf((b) => {
        ints(b, "zero", [0]);
        ints(b, "one", [1]);
        b.node("Slice", ["x", "zero", "one", "zero", "zero"], {}, ["y"]);
      }),
      "step 0",
    ],
    "a constant of 2^50 elements": [
      fileOf((b) => {
        b.initializer("to", "int64", [], BigInt64Array.of(2n ** 50n));
        b.initializer("from", "int64", [], BigInt64Array.of(0n));
        b.initializer("by", "int64", [], BigInt64Array.of(1n));
        b.node("Range", ["from", "to", "by"], {}, ["y"]);
      }),
      "too large to be folded",
    ],
  };
  test.for(Object.entries(cases))("%s", ([, [bytes, message]]) => {
    const model = onnx.importModel(bytes);
    expect(() => model.forward(x())).toThrow(onnx.OnnxImportError);
    expect(() => model.forward(x())).toThrow(message);
  });

  test("inputs of another number, type, rank or size", () => {
    const model = onnx.importModel(fileOf(relu));
    expect(() => model.forward()).toThrow("the graph takes 1 inputs (x), received 0");
    expect(() => model.forward(tensor([1, 2], [2], "int32"))).toThrow(
      'input "x" takes float32[2, 3], received int32[2]; convert it with .cast("float32")',
    );
    expect(() => model.forward(tensor(floats(6), [6]))).toThrow("received float32[6]");
    expect(() => model.forward(tensor(floats(6), [3, 2]))).toThrow("axis 0 must be 2");
  });

  test("several outputs need compute", () => {
    const file = fileOf(
      (b) => {
        relu(b);
        b.node("Tanh", ["x"], {}, ["z"]);
      },
      { outputs: ["y", "z"] },
    );
    const model = onnx.importModel(file);
    expect([...model.compute([x()]).keys()]).toEqual(["y", "z"]);
    expect(() => model.forward(x())).toThrow("the graph has 2 outputs (y, z)");
  });
});

describe("damaged files", () => {
  let file: Uint8Array;
  beforeAll(async () => {
    nn.manualSeed(1);
    const model = new nn.Sequential(
      new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 3, padding: 1 }),
      new nn.BatchNorm2d({ numFeatures: 2 }),
      new nn.MaxPool2d({ kernelSize: 2 }),
      new nn.Flatten(),
      new nn.Linear({ inFeatures: 8, outFeatures: 3 }),
      new nn.Softmax(),
    );
    const shape = [new Dim("batch"), 1, 4, 4];
    file = await onnx.exportModel(model, { inputs: { x: { shape } } });
  });

  /** Reads and builds the graph: what is not refused has a shape, and everything else a typed error. */
  function survives(bytes: Uint8Array): void {
    try {
      const model = onnx.importModel(bytes);
      const inputs = model.graphInputs.map(({ shape, dtype }) =>
        placeholder("x", shape ?? [1], dtype),
      );
      model.compute(inputs);
    } catch (error) {
      if (!(error instanceof TensorlaneError)) throw error;
    }
  }

  test("cut off anywhere", () => {
    for (let length = 0; length < file.length; length++) {
      // A protobuf that is cut between two fields can be read; its graph is then incomplete.
      survives(file.slice(0, length));
    }
  });

  test("with bytes changed anywhere", () => {
    const change = fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = file.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const before = process.memoryUsage().arrayBuffers;
        survives(bytes);
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
      }),
      { numRuns: 1500, seed: 7 },
    );
  });
});
