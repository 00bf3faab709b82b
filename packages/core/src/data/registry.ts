import { TensorlaneError } from "../errors.ts";
import { imageEntries } from "./registry-images.ts";
import { otherEntries } from "./registry-other.ts";
import { trafficEntries } from "./registry-traffic.ts";

/** One file of a data set: where its source publishes it, and its copy in a mirror folder. */
export interface DataFile {
  /** Place in the cache folder, `/` between the parts. */
  readonly path: string;
  /** What the loader knows it by. */
  readonly role: string;
  /** The source's own file, at a full commit or an archive's own place; absent where only a mirror has it. */
  readonly url?: string | undefined;
  /** SHA-256 of the source's bytes; absent where nobody could verify one. */
  readonly sha256?: string | undefined;
  readonly bytes?: number | undefined;
  /** Whether `sha256` is known to be that of the source's bytes. */
  readonly verified: boolean;
  /**
   * The same content in a mirror folder, where its bytes differ (packed, converted) and have a hash of their
   * own. Absent: a mirror may hold the source's own bytes under `path`.
   */
  readonly mirror?: {
    readonly path: string;
    readonly sha256: string;
    readonly bytes: number;
  };
}

/** A data set that can be had by its id. */
export interface DataEntry {
  readonly id: string;
  readonly title: string;
  readonly kind: "traffic" | "images" | "text" | "music";
  readonly files: readonly DataFile[];
  /** As the source states it. */
  readonly licence: string;
  readonly unit?: string | undefined;
  /** Minutes from one row to the next. */
  readonly interval?: number | undefined;
  readonly citation: string;
  /** The task that reads it; absent: files only, no loader yet. */
  readonly loader?:
    | "forecast"
    | "classify"
    | "generate"
    | "compose"
    | "sentiment"
    | "caption"
    | "names"
    | undefined;
}

const entries: readonly DataEntry[] = [...trafficEntries, ...imageEntries, ...otherEntries];

/** Every registered data set. */
export function dataEntries(): readonly DataEntry[] {
  return entries;
}

/**
 * The data set with this id; an unknown id is an error that lists the known ones.
 *
 * @example dataEntry("los-loop").files[0].url
 */
export function dataEntry(id: string): DataEntry {
  const entry = entries.find((e) => e.id === id);
  if (entry === undefined)
    throw new TensorlaneError(
      `no data set "${id}"; known: ${entries.map((e) => e.id).join(", ")}. For your own file give a path ending in .csv`,
    );
  return entry;
}
