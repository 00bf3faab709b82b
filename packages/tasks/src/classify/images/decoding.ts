import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { Pixels } from "./resizing.ts";

/** Where the decoders lie: workers have no module of their own to resolve names from. */
export interface Codecs {
  readonly jpeg: string;
  readonly jpegWasm: string;
  readonly webp: string;
  readonly webpWasm: string;
  readonly png: string;
  readonly bmp: string;
}

export function findCodecs(): Codecs {
  const { resolve } = createRequire(import.meta.url);
  const url = (name: string) => pathToFileURL(resolve(name)).href;
  return {
    jpeg: url("@jsquash/jpeg/decode.js"),
    jpegWasm: resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"),
    webp: url("@jsquash/webp/decode.js"),
    webpWasm: resolve("@jsquash/webp/codec/dec/webp_dec.wasm"),
    png: url("fast-png"),
    bmp: url("fast-bmp"),
  };
}

/** What the decoders need from their surroundings. */
interface Surroundings {
  readonly codecs: Codecs;
  readonly load: (url: string) => Promise<unknown>;
  readonly readFile: (path: string) => Promise<Uint8Array<ArrayBuffer>>;
}

/** Pixels one after another, RGBA, RGB or grey. */
interface Interleaved {
  readonly data: Uint8Array | Uint8ClampedArray | Uint16Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** There may be a fourth channel, but nothing shines through. */
  readonly opaque?: boolean;
}

type Decode = (bytes: Uint8Array, options?: object) => Promise<Omit<Interleaved, "channels">>;
interface WasmCodec {
  readonly init: (module: object, options: object) => Promise<void>;
  readonly default: Decode;
}

/**
 * Reads image files into pixels of red, green and blue. Like `pixelTools` it refers to nothing outside
 * itself: its source text is a part of the workers' program.
 */
export function decodingTools({ codecs, load, readFile }: Surroundings) {
  const silent = { print: () => {}, printErr: () => {} };

  const wasm = (url: string, path: string): Decode => {
    let ready: Promise<WasmCodec> | undefined;
    const start = async () => {
      const codec = (await load(url)) as WasmCodec;
      const { WebAssembly } = globalThis as unknown as {
        WebAssembly: { compile(bytes: Uint8Array): Promise<object> };
      };
      await codec.init(await WebAssembly.compile(await readFile(path)), silent);
      return codec;
    };
    return async (bytes, options) => {
      ready ??= start();
      try {
        return await (await ready).default(bytes, options);
      } catch {
        // The instance may be in any state after a failure: the next file gets a fresh one.
        ready = undefined;
        throw new Error("its content is damaged, or of a kind that the decoder does not read");
      }
    };
  };

  const jpegOf = wasm(codecs.jpeg, codecs.jpegWasm);
  const webpOf = wasm(codecs.webp, codecs.webpWasm);

  const jpeg = async (bytes: Uint8Array): Promise<Interleaved> => {
    // The decoder fills what is missing with grey and says nothing: look for the marker of the end.
    let end = bytes.length - 2;
    while (end > 1 && !(bytes[end] === 0xff && bytes[end + 1] === 0xd9)) end--;
    if (end < 2) throw new Error("it is cut off: the end of the JPEG image is missing");
    // Turned as the camera was held.
    const image = await jpegOf(bytes, { preserveOrientation: true });
    return { ...image, channels: 4, opaque: true };
  };

  interface Png extends Interleaved {
    readonly depth: number;
    readonly palette?: readonly (readonly number[])[];
  }

  const png = async (bytes: Uint8Array): Promise<Interleaved> => {
    const codec = (await load(codecs.png)) as { decode: (bytes: Uint8Array) => Png };
    const { data, width, height, channels, depth, palette } = codec.decode(bytes);
    if (depth === 8 && !palette) return { data, width, height, channels };
    if (depth === 16)
      return { data: Uint8Array.from(data, (v) => v >> 8), width, height, channels };
    // Below 8 bits several pixels share a byte, and every row begins with a new one.
    const rowBytes = Math.ceil((width * depth) / 8);
    const top = 2 ** depth - 1;
    const value = (i: number) => {
      const bit = (i % width) * depth;
      const byte = data[Math.floor(i / width) * rowBytes + (bit >> 3)]!;
      return (byte >> (8 - depth - (bit & 7))) & top;
    };
    const count = width * height;
    if (!palette) {
      const grey = Uint8Array.from({ length: count }, (_, i) => (value(i) * 255) / top);
      return { data: grey, width, height, channels: 1 };
    }
    const colours = Uint8Array.from(
      { length: 4 * count },
      (_, i) => palette[value(i >> 2)]?.[i & 3] ?? 255,
    );
    return { data: colours, width, height, channels: 4 };
  };

  const bmp = async (bytes: Uint8Array): Promise<Interleaved> => {
    const codec = (await load(codecs.bmp)) as {
      decode: (bytes: Uint8Array) => Interleaved & { bitsPerPixel: number };
    };
    const image = codec.decode(bytes);
    if (image.bitsPerPixel > 8) return image;
    // The decoder gives places in the palette, which follows the header: blue, green, red, unused.
    const start = 14 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(14, true);
    const colours = Uint8Array.from({ length: 3 * image.data.length }, (_, i) => {
      const place = start + 4 * image.data[Math.floor(i / 3)]!;
      return bytes[place + 2 - (i % 3)]!;
    });
    return { ...image, data: colours, channels: 3 };
  };

  /** Binary PPM, the format of GTSRB's archives. */
  const ppm = (bytes: Uint8Array): Interleaved => {
    const head = new TextDecoder("latin1").decode(bytes.subarray(0, 200));
    const found = /^P6\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+255\s/.exec(head);
    const [width, height] = [Number(found?.[1]), Number(found?.[2])];
    const data = bytes.subarray(found?.[0].length ?? 0);
    if (!found || data.length < 3 * width * height) {
      throw new Error("it is cut off, or not a PPM image of 8 bits");
    }
    return { data, width, height, channels: 3 };
  };

  const formats = [
    { name: "JPEG", magic: [0xff, 0xd8, 0xff], read: jpeg },
    { name: "PNG", magic: [0x89, 0x50, 0x4e, 0x47], read: png },
    {
      name: "WebP",
      magic: [0x52, 0x49, 0x46, 0x46, -1, -1, -1, -1, 0x57, 0x45, 0x42, 0x50],
      read: async (bytes: Uint8Array) => ({ ...(await webpOf(bytes)), channels: 4 }),
    },
    { name: "BMP", magic: [0x42, 0x4d], read: bmp },
    { name: "PPM", magic: [0x50, 0x36], read: async (bytes: Uint8Array) => ppm(bytes) },
  ];

  /** Red, green and blue; what is transparent lies on white. */
  const onWhite = ({ data, width, height, channels, opaque }: Interleaved): Pixels => {
    const area = width * height;
    const shines = () => {
      for (let i = 3; i < 4 * area; i += 4) if (data[i] !== 255) return true;
      return false;
    };
    if (channels === 3 || opaque || (channels === 4 && !shines())) {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return { data: bytes, width, height, step: channels };
    }
    const result = new Uint8Array(3 * area);
    const alpha = channels === 2 || channels === 4 ? channels - 1 : -1;
    for (let i = 0; i < area; i++) {
      const at = i * channels;
      const share = alpha < 0 ? 1 : data[at + alpha]! / 255;
      for (let c = 0; c < 3; c++) {
        const value = data[channels < 3 ? at : at + c]!;
        result[3 * i + c] = share === 1 ? value : Math.round(share * value + (1 - share) * 255);
      }
    }
    return { data: result, width, height, step: 3 };
  };

  /** The picture in the bytes of an image file; throws what is wrong with it. */
  const decode = async (bytes: Uint8Array): Promise<Pixels> => {
    const format = formats.find(({ magic }) =>
      magic.every((byte, i) => byte < 0 || bytes[i] === byte),
    );
    if (!format) {
      const names = formats.map(({ name }) => name).join(", ");
      throw new Error(bytes.length === 0 ? "it is empty" : `it is not an image of ${names}`);
    }
    const image = await format.read(bytes);
    if (!(image.width > 0 && image.height > 0)) throw new Error("it has no pixels");
    return onWhite(image);
  };

  return { decode };
}
