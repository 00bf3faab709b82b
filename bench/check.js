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
 * gradients of deep networks uncertain (PyTorch's own two memory layouts differ by 1 % on ResNet-50), so ours may be
 * at most twice as far from what is right as PyTorch's is.
 */
async function compareSteps(ours, peer, fields) {
  const mine = await ours.ask("check", { steps: STEPS });
  const theirs = await peer.ask("check", { steps: STEPS, ...fields });
  const { first, training } = distance(mine, theirs);
  const allowed = TOLERANCE.training;
  const verdict = (error, limit) => ({
    ok: first < TOLERANCE.loss && error <= limit,
    error: Math.max(first, error),
    allowed: limit,
  });
  if (training <= allowed || !fields.variant) return verdict(training, allowed);
  const right = await peer.ask("referee", { steps: STEPS });
  const [own, other] = [mine, theirs].map((side) => distance(side, right).training);
  return { ...verdict(own, Math.max(allowed, 2 * other)), referee: { ours: own, peer: other } };
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
 * @param {{ path: string, tolerance?: number }} options `path` for files, `tolerance` of outputs
 * @returns {Promise<{ ok: boolean, error: number | null, allowed: number }>} relative differences
 */
export const compare = (kind, ours, peer, fields, { path, tolerance }) =>
  kind === "train"
    ? compareSteps(ours, peer, fields)
    : compareOutputs(ours, peer, fields, path, tolerance ?? TOLERANCE.output);
