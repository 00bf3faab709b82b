import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { isMat, readMat } from "./mat.ts";
import { readHangzhouMetro, readNycTaxi } from "./transdim.ts";

/** A tagged, padded element of the format. */
function element(type: number, data: Uint8Array): Buffer {
  const padded = Buffer.alloc(8 + Math.ceil(data.length / 8) * 8);
  padded.writeUInt32LE(type, 0);
  padded.writeUInt32LE(data.length, 4);
  padded.set(data, 8);
  return padded;
}

/** A MATLAB v5 file with one uint16 array, elements in column-major order. */
function mat(shape: number[], values: Uint16Array, compressed: boolean): Uint8Array {
  const header = Buffer.alloc(128, 0x20);
  header.write("MATLAB 5.0 MAT-file", "latin1");
  header.writeUInt16LE(0x0100, 124);
  header.write("IM", 126, "latin1");
  // A name of up to four letters stands in its tag: type 1, size 1, then the letter.
  const name = Buffer.from([1, 0, 1, 0, "t".charCodeAt(0), 0, 0, 0]);
  const matrix = element(
    14,
    Buffer.concat([
      element(6, Buffer.from([11, 0, 0, 0, 0, 0, 0, 0])),
      element(5, new Uint8Array(Int32Array.from(shape).buffer)),
      name,
      element(4, new Uint8Array(values.buffer)),
    ]),
  );
  if (!compressed) return Buffer.concat([header, matrix]);
  const packed = deflateSync(matrix);
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(15, 0);
  tag.writeUInt32LE(packed.length, 4);
  return Buffer.concat([header, tag, packed]);
}

describe("readMat", () => {
  it.each([false, true])("reads an array (compressed: %s)", (compressed) => {
    const array = readMat(mat([2, 3], Uint16Array.of(1, 2, 3, 4, 5, 65535), compressed));
    expect(array).toEqual({
      name: "t",
      shape: [2, 3],
      data: Float64Array.of(1, 2, 3, 4, 5, 65535),
    });
  });

  it("says what it cannot read", () => {
    expect(isMat(Buffer.from("day,slot"))).toBe(false);
    expect(() => readMat(Buffer.from("day,slot"))).toThrow(/not a MATLAB 5.0 file/);
    const whole = mat([2], Uint16Array.of(1, 2), false);
    expect(() => readMat(whole.subarray(0, 150))).toThrow(/cut off/);
  });
});

describe("sources as MATLAB arrays", () => {
  it("lays Hangzhou's [station, day, slot] out in time order", () => {
    const [stations, days, slots] = [2, 25, 108];
    const values = Uint16Array.from({ length: stations * days * slots }, (_, i) => {
      const [s, d, t] = [i % 2, Math.floor(i / 2) % 25, Math.floor(i / 50)];
      return s * 10000 + d * 108 + t;
    });
    const series = readHangzhouMetro({ values: mat([2, 25, 108], values, true) });
    expect(series).toMatchObject({ rows: 2700, columns: 2, names: ["s00", "s01"] });
    for (const row of [0, 1, 107, 108, 2699])
      expect([...series.values.subarray(row * 2, row * 2 + 2)]).toEqual([row, 10000 + row]);
    expect(() => readHangzhouMetro({ values: mat([2, 3], values.slice(0, 6), false) })).toThrow(
      /tensor is \[2,3\]/,
    );
  });

  it("lays New York's [origin, destination, hour] out like the mirror's file", () => {
    const hours = 200;
    const byHour = new Uint16Array(900 * hours);
    const values = Uint16Array.from(byHour, (_, i) => {
      const [o, d, h] = [i % 30, Math.floor(i / 30) % 30, Math.floor(i / 900)];
      const trips = (o * 7 + d * 3 + h) % 300;
      byHour[h * 900 + o * 30 + d] = trips;
      return trips;
    });
    const fromMat = readNycTaxi({ values: mat([30, 30, hours], values, false) });
    const fromMirror = readNycTaxi({ values: new Uint8Array(byHour.buffer) });
    expect(fromMat.values.every((value, i) => value === fromMirror.values[i])).toBe(true);
    expect(fromMat.names[31]).toBe("1-1");
    expect(() => readNycTaxi({ values: new Uint8Array(7) })).toThrow(/not whole hours/);
  });
});
