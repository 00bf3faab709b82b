import type { PictureSource } from "../images/pool.ts";

/** A result that others published on a set (or on the whole that ours is a part of). */
export interface PublishedResult {
  readonly name: string;
  /** Test error in per cent. */
  readonly error: number;
  readonly source: string;
}

/** A file that could not be read, and why. */
export interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

/** Labelled pictures, divided into parts. */
export interface ImageSet {
  readonly id: string;
  readonly title: string;
  readonly classes: readonly string[];
  /** 1 for grey pictures, 3 for colour. */
  readonly channels: number;
  /** Side of the pictures, or of the shortest of them. */
  readonly side: number;
  readonly sources: readonly PictureSource[];
  readonly labels: Int32Array;
  /** What a picture is called in the report: its file, or its number in the set. */
  readonly nameOf: (index: number) => string;
  /** Indices of the pictures of each part; nothing is in two of them. */
  readonly train: Int32Array;
  readonly validation: Int32Array;
  readonly test: Int32Array;
  /** How the validation part was cut out, in words. */
  readonly split: string;
  /** Files left out because they could not be read. */
  readonly skipped: readonly SkippedFile[];
  readonly simulated: boolean;
  readonly notes: readonly string[];
  readonly published: readonly PublishedResult[];
}

/** Pictures of one size in shared memory, (count, channels, side, side). */
export interface PictureBlock {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
  readonly channels: number;
  readonly side: number;
}

/** Memory that worker threads see too. */
export const sharedBytes = (length: number): Uint8Array =>
  new Uint8Array(new SharedArrayBuffer(length));

/** The pictures of blocks, one after another. */
export function sourcesOf(...blocks: readonly PictureBlock[]): PictureSource[] {
  return blocks.flatMap(({ pixels, labels, channels, side }) => {
    const size = channels * side * side;
    return Array.from(labels, (_, i) => {
      const data = pixels.subarray(i * size, (i + 1) * size);
      return { picture: { data, width: side, height: side, channels } };
    });
  });
}
