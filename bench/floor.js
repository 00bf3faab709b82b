// The least time that the arithmetic of a row and the memory it must move can take on this machine.

/** Sizes of arrays at which copying is timed: one that stays near a core, one in a large cache, one in memory. */
export const COPIED = [2 ** 20, 2 ** 23, 2 ** 27];

/**
 * @typedef {object} Work of one forward pass over a batch
 * @property {number} macs
 * @property {number} parameters bytes
 * @property {number} activations bytes of all layers' outputs
 * @property {number} tensors how many these are
 *
 * @typedef {object} Rates what the machine reached
 * @property {number} gflops the fastest of a large product and a convolution, on either side
 * @property {readonly { bytes: number, gigabytes: number }[]} copies read and written a second, by the array's size
 */

/** A training step is about three forward passes: forward, gradients of the data, gradients of the weights. */
export const passes = { train: 3, inference: 1, data: 0 };

/**
 * How often parameters pass: read forward and backward, their gradient written and read, and the update, which reads
 * and writes the parameter and one (momentum) or two (Adam) averages.
 */
const parameterPasses = { inference: 1, sgd: 8, adam: 10 };
/** Activations are written and read forward; backward they are read again, and their gradients written and read. */
const activationPasses = { train: 5, inference: 2 };

/** GB/s for arrays of a size: of the largest one timed that is not larger. */
const speedAt = (copies, bytes) =>
  (copies.findLast((c) => c.bytes <= bytes) ?? copies[0]).gigabytes;

/**
 * Milliseconds for multiplications and additions at the highest rate measured, plus those for bytes at the speed of
 * copying arrays of their size. Layers are taken one by one; what a fused operator saves is not.
 *
 * @param {"train" | "inference"} kind @param {string | undefined} optimizer @param {Work} work @param {Rates} rates
 */
export function floorOf(kind, optimizer, { macs, parameters, activations, tensors }, rates) {
  const update = kind === "train" ? (optimizer ?? "sgd") : "inference";
  const arithmetic = (2 * macs * passes[kind]) / rates.gflops / 1e6;
  const streamed = (parameters * parameterPasses[update]) / speedAt(rates.copies, parameters) / 1e6;
  const each = activations / Math.max(1, tensors);
  const moved = (activations * activationPasses[kind]) / speedAt(rates.copies, each) / 1e6;
  return arithmetic + streamed + moved;
}
