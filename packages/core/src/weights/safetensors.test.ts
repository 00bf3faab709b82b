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

  const file = (header: string, bytes: number, length = BigInt(header.length)) => {
    const result = new Uint8Array(8 + header.length + bytes);
    new DataView(result.buffer).setBigUint64(0, length, true);
    result.set(new TextEncoder().encode(header), 8);
    return result;
  };
  const entry = (name: string, from: unknown, to: unknown, shape: unknown = [1]) =>
    `"${name}":${JSON.stringify({ dtype: "F32", shape, data_offsets: [from, to] })}`;

  test.each([
    ["cut off", weights.writeSafetensors(arrays).subarray(0, 60), /cut off/],
    ["too short", new Uint8Array(3), /3 bytes/],
    ["not JSON", new Uint8Array(32).fill(0).fill(8, 0, 1), /not JSON/],
    ["data missing", weights.writeSafetensors(arrays).slice(0, -1), /does not fill/],
    ["a header of 2^60 bytes", file("{}", 4, 2n ** 60n), /would be 1152921504606847000 bytes/],
    ["overlapping arrays", file(`{${entry("a", 0, 4)},${entry("b", 0, 4)}}`, 4), /"b" overlaps/],
    ["2^60 elements", file(`{${entry("a", 0, 4, [2 ** 30, 2 ** 30])}}`, 4), /does not fill/],
    ["offsets backwards", file(`{${entry("a", 4, 0)}}`, 4), /does not fill bytes 4 to 0/],
    ["a negative offset", file(`{${entry("a", -4, 0)}}`, 4), /whole numbers from 0/],
    ["a fraction", file(`{${entry("a", 0, 4, [0.5, 2])}}`, 4), /whole numbers from 0/],
    ["no shape", file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4), /no type, shape/],
    ["null", file("null", 4), /no object/],
    ["metadata of numbers", file('{"__metadata__":{"a":1}}', 0), /no texts/],
    ["an unknown type", file(`{${entry("a", 0, 4).replace("F32", "C64")}}`, 4), /type C64; known/],
    ["deep nesting", file("[".repeat(100_000), 0), /not JSON/],
  ])("%s: a clear error", (_, bytes, message) => {
    expect(() => weights.readSafetensors(bytes)).toThrow(weights.WeightsError);
    expect(() => weights.readSafetensors(bytes)).toThrow(message);
  });

  test("changed bytes give a typed error or other values, never more of them", () => {
    const whole = weights.writeSafetensors(arrays);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const bytes = Uint8Array.from(whole);
        bytes[at] = value;
        let read: ReturnType<typeof weights.readSafetensors>;
        try {
          read = weights.readSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(weights.WeightsError);
          return;
        }
        const total = [...read.arrays.values()].reduce((sum, { data }) => sum + data.length, 0);
        expect(total).toBeLessThanOrEqual(whole.length);
      }),
      { numRuns: 1000 },
    );
  });
});
