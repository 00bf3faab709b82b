import { TensorlaneError } from "../errors.ts";
import type { TensorData } from "../graph/dtype.ts";
import type { JsonObject } from "../optim/schedules/schedule.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import type { Storage } from "./storage.ts";

/** Weights of the latest save; of the best epoch; everything else. */
export const LAST = "last.safetensors";
export const BEST = "best.safetensors";
const STATE = "state.safetensors";
const PENDING = "state.next.safetensors";

type Arrays = Map<string, { readonly data: TensorData; readonly shape: readonly number[] }>;

/** A moment of a training: weights, and all that is needed to go on from there. */
export interface Checkpoint {
  readonly weights: Arrays;
  /** Optimiser state by `parameter.slot`. */
  readonly slots: Arrays;
  readonly progress: JsonObject;
}

/**
 * Writes a checkpoint. The weights are a file of their own, without anything but weights, so the state
 * names by hash the weights that it belongs to: wherever the power fails, one matching pair is left.
 */
export async function saveCheckpoint(
  storage: Storage,
  { weights, slots, progress }: Checkpoint,
): Promise<void> {
  const last = writeSafetensors(weights);
  const state = writeSafetensors(slots, {
    progress: JSON.stringify(progress),
    weights: await hash(last),
  });
  await storage.write(PENDING, state);
  await storage.write(LAST, last);
  await storage.write(STATE, state);
  await storage.remove(PENDING);
}

/** The checkpoint in a storage; undefined where there is none. */
export async function loadCheckpoint(storage: Storage): Promise<Checkpoint | undefined> {
  const states: { readonly name: string; readonly bytes: Uint8Array }[] = [];
  for (const name of [STATE, PENDING]) {
    const bytes = await storage.read(name);
    if (bytes) states.push({ name, bytes });
  }
  const last = await storage.read(LAST);
  if (!last && states.length === 0) return undefined;
  if (!last || states.length === 0) {
    // The very first save was cut short: nothing to continue from.
    if (!last && (await storage.read(STATE)) === undefined) return undefined;
    throw broken(last ? `there is ${LAST} but no ${STATE}` : `there is ${STATE} but no ${LAST}`);
  }
  const digest = await hash(last);
  for (const { name, bytes } of states) {
    const { arrays, metadata } = read(name, bytes);
    if (metadata.weights !== digest) continue;
    const progress = JSON.parse(metadata.progress) as JsonObject;
    return { weights: read(LAST, last).arrays, slots: arrays, progress };
  }
  throw broken(`${LAST} is not the file that ${STATE} was saved with`);
}

/** Names the file in what its reader throws. */
function read(name: string, bytes: Uint8Array): ReturnType<typeof readSafetensors> {
  try {
    return readSafetensors(bytes);
  } catch (error) {
    throw new TensorlaneError(`checkpoint: ${name}: ${(error as Error).message}`, { cause: error });
  }
}

const broken = (what: string) =>
  new TensorlaneError(
    `checkpoint: ${what}; restore both from one save, or remove both to start from step 0`,
  );

async function hash(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
