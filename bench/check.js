// Whether both sides compute the same.
import { readFile } from "node:fs/promises";

/** Steps whose losses are compared: those after the first see the gradients by way of the update. */
const STEPS = 3;
/** Relative, for float32 with sums in another order: outputs, the first loss, and what follows from gradients. */
const TOLERANCE = { output: 1e-3, loss: 1e-4, training: 5e-3 };

const away = (a, b) => Math.abs(a - b) / Math.abs(b);

/** How far two sides' trainings are apart: at the first loss, and at later losses and the size of the update. */
function distance(a, b) {
  const [first, ...later] = a.losses.map((loss, i) => away(loss, b.losses[i]));
  // Libraries other than PyTorch are compared by their losses alone.
  const change = b.change === undefined ? [] : [away(a.change, b.change)];
  return { first, training: Math.max(...later, ...change) };
}

/**
 * Where the two are far apart, PyTorch in float64 is the referee: batch norm over few values per channel makes float32
 * gradients of deep networks uncertain. Ours may be as far from what is right as PyTorch's is in the worse of its two
 * memory layouts (on ResNet-50 they are 0.4 and 1.3 % away), or twice as far as in the one that was timed.
 */
async function compareSteps(ours, peer, fields, otherVariants) {
  const mine = await ours.ask("check", { steps: STEPS });
  const theirs = await peer.ask("check", { steps: STEPS, ...fields });
  const { first, training } = distance(mine, theirs);
  const verdict = (error, allowed) => {
    const ok = first < TOLERANCE.loss && error <= allowed;
    return { ok, error: Math.max(first, error), allowed };
  };
  if (training <= TOLERANCE.training || !fields.variant)
    return verdict(training, TOLERANCE.training);
  const right = await peer.ask("referee", { steps: STEPS });
  const from = (side) => distance(side, right).training;
  const layouts = [];
  for (const variant of otherVariants) {
    layouts.push(from(await peer.ask("check", { steps: STEPS, variant })));
  }
  const allowed = Math.max(TOLERANCE.training, 2 * from(theirs), ...layouts);
  const referee = { ours: from(mine), peer: from(theirs), layouts };
  return { ...verdict(from(mine), allowed), referee };
}

async function compareOutputs(ours, peer, fields, path, allowed) {
  const read = async (side, own, more) => {
    const { elements } = await side.ask("check", { steps: 1, path: own, ...more });
    const { buffer, byteOffset } = await readFile(own);
    return new Float32Array(buffer, byteOffset, elements);
  };
  const [a, b] = [await read(ours, `${path}.ours`, {}), await read(peer, `${path}.peer`, fields)];
  if (a.length !== b.length) return { ok: false, error: null, allowed };
  let [gap, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    // Math.max keeps a NaN.
    gap = Math.max(gap, Math.abs(a[i] - b[i]));
    size = Math.max(size, Math.abs(b[i]));
  }
  const error = gap / size;
  return { ok: error < allowed, error, allowed };
}

/**
 * @param {"train" | "inference" | "data"} kind @param {import("./side.js").Side} ours
 * @param {import("./side.js").Side} peer
 * @param {object} fields what the peer is told, its variant
 * @param {{ path: string, others?: readonly string[], tolerance?: number }} options `path` for files, `others`:
 *   PyTorch's other memory layouts, `tolerance` of outputs
 * @returns {Promise<{ ok: boolean, error: number | null, allowed: number }>} relative differences
 */
export const compare = (kind, ours, peer, fields, { path, others = [], tolerance }) =>
  kind === "train"
    ? compareSteps(ours, peer, fields, others)
    : compareOutputs(ours, peer, fields, path, tolerance ?? TOLERANCE.output);
