import { vjp } from "../autodiff/gradients.ts";
import { TensorlaneError } from "../errors.ts";
import { type EvaluateOptions, evaluate } from "../evaluate.ts";
import { staticSize } from "../graph/dim.ts";
import * as ops from "../graph/ops/index.ts";
import { type Tensor, tensor } from "../graph/tensor.ts";
import type { FoundLoop } from "./loops.ts";

interface At extends EvaluateOptions {
  readonly t: number;
  readonly sample: number;
}

/**
 * ‖dS_t/dS_k‖₂ for every step k, 0 beyond t: each row of the identity is carried back from step t by the
 * step's vector-Jacobian product, a loop over rows around the loop over time.
 */
export async function jacobianProducts(
  { name, loop, foreign }: FoundLoop,
  { t, sample, ...options }: At,
): Promise<Float32Array> {
  const [steps] = ops.requireStatic("bptt: time", [loop.length]);
  const floats = loop.states.flatMap((state, i) => (state.dtype === "float32" ? [i] : []));
  const states = floats.map((i) => loop.states[i]);
  const next = floats.map((i) => loop.nextStates[i]);
  const [batch] = ops.requireStatic("bptt: batch", [states[0].shape[0]]);
  if (!(Number.isInteger(sample) && sample >= 0 && sample < batch)) {
    throw new TensorlaneError(`bptt: sample ${sample} of ${name}, which has ${batch} sequences`);
  }
  const widths = states.map((state) => staticSize(state.shape.slice(1)));
  const size = widths.reduce((a, b) => a + b);
  const identity = Float32Array.from({ length: size * size }, (_, i) =>
    Number(i % (size + 1) === 0),
  );
  const starts = tensor(Float32Array.from({ length: steps }, (_, k) => Number(k === t)));
  const zeros = states.map((state) => ops.zeros(state.shape));

  const { ys } = ops.scan([], [tensor(identity, [size, size])], (_, [row]) => {
    const seeds = ops.split(row, widths, 0).map((part, i) => {
      const one = ops.reshape(part, [1, ...states[i].shape.slice(1)]);
      return ops.expand(one, states[i].shape);
    });
    const back = loop.backwards(zeros, [starts], (carried, [start]) => {
      const here = carried.map((grad, i) => ops.add(grad, ops.mul(seeds[i], start)));
      const before = vjp(next, here, states, { stop: foreign });
      const own = here.map((grad, i) => ops.reshape(ops.select(grad, sample, 0), [widths[i]]));
      return {
        states: before.map((grad, i) => grad ?? zeros[i]),
        ys: [own.length === 1 ? own[0] : ops.concat(own, 0)],
      };
    });
    return { states: [], ys: [back.ys[0]] };
  });
  const { data } = await evaluate(ys[0] as Tensor, options);
  return Float32Array.from({ length: steps }, (_, k) =>
    spectralNorm(size, (row, column) => Number(data[(row * steps + k) * size + column])),
  );
}

/** The largest singular value, by power iteration on AᵀA in float64. */
export function spectralNorm(size: number, at: (row: number, column: number) => number): number {
  const a = Float64Array.from({ length: size * size }, (_, i) =>
    at(Math.floor(i / size), i % size),
  );
  const largest = a.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (largest === 0) return 0;
  for (let i = 0; i < a.length; i++) a[i] /= largest;
  // A start that is at right angles to nothing in particular.
  let v = Float64Array.from({ length: size }, (_, i) => 1 + 0.5 * Math.sin(2.3 * i + 1));
  let norm = 0;
  for (let round = 0; round < 300; round++) {
    const u = new Float64Array(size);
    const w = new Float64Array(size);
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) u[i] += a[i * size + j] * v[j];
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) w[j] += a[i * size + j] * u[i];
    const length = Math.hypot(...w);
    const before = norm;
    norm = Math.sqrt(length / Math.hypot(...v));
    v = w.map((value) => value / length);
    if (Math.abs(norm - before) <= 1e-9 * norm) break;
  }
  return norm * largest;
}
