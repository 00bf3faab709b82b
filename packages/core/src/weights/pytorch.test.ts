import { readFileSync } from "node:fs";
import fc from "fast-check";
import { unzipSync, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { nn, weights } from "../index.ts";

const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../../fixtures/pytorch/${name}.pth`, import.meta.url));
const kinds = ["zip", "stream"] as const;
const numbers = (bytes: Uint8Array, name: string): number[] =>
  Array.from(weights.readPyTorch(bytes).arrays.get(name)!.data as ArrayLike<number>, Number);

describe.each(kinds)("the %s format", (kind) => {
  test("every element type, as the nearest one that graphs carry", () => {
    const { arrays, format, entry, prefix } = weights.readPyTorch(fixture(`dtypes.${kind}`));
    expect({ format, entry, prefix }).toEqual({ format: kind, entry: "", prefix: "" });
    const values = Float32Array.of(0, 1, -2.5, 0.15625, 96, 3);
    const whole = [0, 1, 2, 100, 7, 5];
    for (const name of ["float32", "float64", "float16", "bfloat16"]) {
      expect(arrays.get(`torch.${name}`), name).toEqual({ data: values, shape: [2, 3] });
    }
    for (const name of ["int32", "int16", "int8", "uint8"]) {
      expect(arrays.get(`torch.${name}`), name).toEqual({
        data: Int32Array.from(whole),
        shape: [2, 3],
      });
    }
    expect(arrays.get("torch.int64")?.data).toEqual(BigInt64Array.from(whole, BigInt));
    expect(arrays.get("torch.bool")?.data).toEqual(Uint8Array.of(0, 0, 1, 1, 1, 1));
    expect(arrays.get("scalar")).toEqual({ data: BigInt64Array.of(7n), shape: [] });
    expect(arrays.get("empty")).toEqual({ data: new Float32Array(0), shape: [0, 4] });
    expect(arrays.size).toBe(12);
  });

  test("strided views of one storage", () => {
    const bytes = fixture(`views.${kind}`);
    const { arrays } = weights.readPyTorch(bytes);
    const whole = Array.from({ length: 24 }, (_, i) => i);
    expect(numbers(bytes, "whole")).toEqual(whole);
    expect(arrays.get("transposed")?.shape).toEqual([4, 3, 2]);
    expect(numbers(bytes, "transposed")).toEqual(
      whole.map((i) => 12 * (i % 2) + 4 * (Math.floor(i / 2) % 3) + Math.floor(i / 6)),
    );
    expect(numbers(bytes, "every other")).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
    expect(numbers(bytes, "corner")).toEqual([18, 19, 22, 23]);
    expect(numbers(bytes, "repeated")).toEqual([5, 5, 5, 5, 5, 5]);
    expect(numbers(bytes, "parameter")).toEqual(whole.slice(0, 12));
    // Each has memory of its own: training one must not change another.
    arrays.get("whole")!.data.fill(9 as never);
    expect(arrays.get("parameter")!.data[1]).toBe(1);
  });

  test("the state dict of a checkpoint, which says where it was", () => {
    const { arrays, entry, prefix } = weights.readPyTorch(fixture(`checkpoint.${kind}`));
    expect([entry, prefix]).toEqual(["state_dict", "module."]);
    const linear = new nn.Linear({ inFeatures: 2, outFeatures: 3 });
    const model = new nn.Sequential(linear, new nn.BatchNorm1d({ numFeatures: 3 }));
    expect(model.loadStateDict(arrays).loaded).toHaveLength(7);
    // PyTorch's first draws after manual_seed(0), within 1 / sqrt(2).
    expect(linear.weight.data[0]).toBeCloseTo(-0.0053, 4);
    expect(() => weights.readPyTorch(fixture(`checkpoint.${kind}`), { entry: "ema" })).toThrow(
      /dict of \[epoch, arch, best_acc1, state_dict, optimizer\], of which none of ema holds/,
    );
  });

  test("what calls the shell is refused", () => {
    expect(() => weights.readPyTorch(fixture(`hostile.${kind}`))).toThrow(
      expect.objectContaining({
        name: "WeightsError",
        message: expect.stringMatching(/wants posix\.system, which is not .* refused/),
      }),
    );
  });

  test("a file that is cut off anywhere is refused", () => {
    const whole = fixture(`dtypes.${kind}`);
    for (let length = 0; length < whole.length; length += 7) {
      expect(() => weights.readPyTorch(whole.subarray(0, length))).toThrow(weights.WeightsError);
    }
  });

  test("changed bytes give a typed error or other numbers, never more memory", () => {
    const whole = fixture(`views.${kind}`);
    const byte = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(byte, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        const arrays = tryRead(() => weights.readPyTorch(bytes).arrays);
        if (!arrays) return;
        const total = [...arrays.values()].reduce((sum, { data }) => sum + data.length, 0);
        expect(total).toBeLessThanOrEqual(4 * bytes.length + 2 ** 20);
      }),
      { numRuns: 1000 },
    );
  });
});

/** What reading gives; nothing if it fails with the one error that it may fail with. */
function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(weights.WeightsError);
    return undefined;
  }
}

test("compressed members are read, bombs are refused", () => {
  const members = unzipSync(fixture("dtypes.zip"));
  const packed = zipSync(members, { level: 9 });
  expect(numbers(packed, "torch.float32")).toEqual([0, 1, -2.5, 0.15625, 96, 3]);
  const bomb = zipSync({ ...members, "dtypes/zeros": new Uint8Array(2 ** 24) }, { level: 9 });
  expect(() => weights.readPyTorch(bomb)).toThrow(/would grow to more than \d+, which no weights/);
});

const opcode = (...parts: (string | number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((p) => (typeof p === "string" ? [...Buffer.from(p)] : p)));
const asZip = (pickle: Uint8Array, data: Record<string, Uint8Array> = {}) =>
  zipSync({ "a/data.pkl": pickle, ...data }, { level: 0 });
const text = (value: string) => opcode("X", [value.length, 0, 0, 0], value);
/** A dict of one tensor on a storage of `length` floats. */
const tensorPickle = (length: number, rest: (string | number[])[]) =>
  opcode(
    ...([[0x80, 2], "}", [...text("w")], "ctorch._utils\n_rebuild_tensor_v2\n(("] as const).map(
      (p) => (typeof p === "string" ? p : [...p]),
    ),
    [...text("storage")],
    "ctorch\nFloatStorage\n",
    [...text("0")],
    [...text("cpu")],
    ["K".charCodeAt(0), length],
    "tQ",
    ...rest,
    [0x89],
    "}tRs.",
  );

describe("hostile pickles", () => {
  const data = { "a/data/0": new Uint8Array(16) };
  const size = (n: number) => ["J", [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >> 24], [0x85]];
  const zero = [["K".charCodeAt(0), 0]];

  test("a sound one of the same form is read", () => {
    const pickle = tensorPickle(4, [...zero, ...size(4), ...size(1)]);
    expect(numbers(asZip(pickle, data), "w")).toEqual([0, 0, 0, 0]);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["a view beyond its storage", tensorPickle(4, [...zero, ...size(5), ...size(1)]), /element 4/],
    [
      "a view repeated without end",
      tensorPickle(4, [...zero, ...size(2 ** 30), ...size(0)]),
      /repe/,
    ],
    ["a negative stride", tensorPickle(4, [...zero, ...size(4), ...size(-1)]), /strides/],
    ["another number of strides", tensorPickle(4, [...zero, ...size(4), ")"]), /1 sizes and 0/],
    ["a storage of another length", tensorPickle(5, [...zero, ...size(4), ...size(1)]), /16 bytes/],
    ["a text of 2^60 bytes", opcode([0x80, 4, 0x8d, 0, 0, 0, 0, 0, 0, 0, 16]), /ends within/],
    ["an integer of 2 GB", opcode([0x80, 2, 0x8b, 255, 255, 255, 127]), /integer of 2147483647/],
    ["a class of its own", opcode("c__main__\nEvil\n."), /wants __main__\.Evil/],
    ["names that a terminal obeys", opcode("cx\u001b[2J\ny\n."), /wants x\?\[2J\.y/],
    ["an instance", opcode("(i__main__\nEvil\n."), /opcode 0x69/],
    ["a recall of nothing", opcode("h", [3], "."), /recalls value 3/],
    ["an empty stack", opcode("0."), /more from the stack/],
    ["a mark that is not there", opcode("t."), /mark that is not there/],
    ["a state for a list", opcode("]}b."), /state to something but a dict/],
    ["no tensors", opcode("}."), /dict of \[\]/],
    ["a number", opcode("K", [1], "."), /holds no dict of tensors/],
    ["no end", opcode("}"), /ends within its pickle/],
  ])("%s", (_, pickle, message) => {
    const read = () => weights.readPyTorch(asZip(pickle, data));
    expect(read).toThrow(weights.WeightsError);
    expect(read).toThrow(message);
  });

  test("deep and self-similar structures take no recursion and no memory", () => {
    const deep = opcode("(".repeat(200_000), "t".repeat(200_000), ".");
    expect(() => weights.readPyTorch(asZip(deep))).toThrow(/holds no dict/);
    // A list of two lists of two lists ...: 2^200 leaves, were it ever walked.
    const doubling = Array.from({ length: 200 }, () => ["2", [0x86]]).flat();
    expect(() => weights.readPyTorch(asZip(opcode("]", ...doubling, ".")))).toThrow(/no dict/);
  });

  test("any bytes as a pickle give a typed error", () => {
    const codes = [..."\x80N\x88KMJG\x8aX\x8cUTCB)]}(tld\x85\x86\x87aesu012qr\x94hjc\x93RQb."];
    const byte = fc.oneof(fc.constantFrom(...codes.map((c) => c.charCodeAt(0))), fc.nat(255));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(byte), (start, rest) => {
        tryRead(() => weights.readPyTorch(asZip(Uint8Array.from([...start, ...rest]), data)));
      }),
      { numRuns: 500 },
    );
  });
});

test.each([
  [
    "whole modules",
    "module.zip",
    /wants torch\.nn\.modules\.linear\.Linear.*save model\.state_dict/,
  ],
  ["programs", "torchscript.zip", /TorchScript program/],
])("%s are refused with what to do", (_, name, message) => {
  expect(() => weights.readPyTorch(fixture(name))).toThrow(message);
});

test.each([
  ["nothing", new Uint8Array(0), /neither like a zip/],
  ["another kind of file", weights.writeSafetensors(new Map()), /weights\.readSafetensors/],
  ["a pickle of something else", opcode([0x80, 2], "K", [1], "."), /magic number/],
  ["a zip of something else", zipSync({ "a.txt": new Uint8Array(3) }), /no data\.pkl/],
])("%s: a clear error", (_, bytes, message) => {
  expect(() => weights.readPyTorch(bytes)).toThrow(message);
});
