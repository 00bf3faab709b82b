import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { weights } from "../index.ts";

const arrays = new Map([
  ["a.weight", { data: Float32Array.of(1, -2, 3.5, 0), shape: [2, 2] }],
  ["steps", { data: BigInt64Array.of(7n), shape: [] }],
  ["mask", { data: Uint8Array.of(1, 0, 1), shape: [3] }],
]);

describe("safetensors", () => {
  test("what is written is read, from any kind of byte array", () => {
    const bytes = weights.writeSafetensors(arrays, { note: "x" });
    for (const given of [bytes, Buffer.from(bytes), new Uint8Array([9, ...bytes]).subarray(1)]) {
      const read = weights.readSafetensors(given);
      expect(read.metadata).toEqual({ note: "x" });
      for (const [name, value] of arrays) expect(read.arrays.get(name)).toEqual(value);
    }
  });

  test("equal arrays give equal bytes", () => {
    expect(weights.writeSafetensors(arrays)).toEqual(weights.writeSafetensors(new Map(arrays)));
  });

  test("any float array survives", () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true }), (data) => {
        const bytes = weights.writeSafetensors(new Map([["x", { data, shape: [data.length] }]]));
        expect(weights.readSafetensors(bytes).arrays.get("x")?.data).toEqual(data);
      }),
    );
  });

  test("half precision is widened", () => {
    const header = '{"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]}}  ';
    const bytes = new Uint8Array(8 + header.length + 6);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(new TextEncoder().encode(header), 8);
    bytes.set(new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x0001).buffer), 8 + header.length);
    expect([...weights.readSafetensors(bytes).arrays.get("h")!.data]).toEqual([1, -2, 2 ** -24]);
  });

  test.each([
    ["cut off", weights.writeSafetensors(arrays).subarray(0, 60), /cut off/],
    ["too short", new Uint8Array(3), /3 bytes/],
    ["not JSON", new Uint8Array(32).fill(0).fill(8, 0, 1), /not JSON/],
    ["data missing", weights.writeSafetensors(arrays).slice(0, -1), /does not fill/],
  ])("%s: a clear error", (_, bytes, message) => {
    expect(() => weights.readSafetensors(bytes)).toThrow(message);
  });
});
