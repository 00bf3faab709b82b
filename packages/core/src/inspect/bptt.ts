import { vjp } from "../autodiff/gradients.ts";
import { TensorlaneError } from "../errors.ts";
import { type EvaluateOptions, evaluate } from "../evaluate.ts";
import * as ops from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";
import { jacobianProducts } from "./jacobian.ts";
import { type FoundLoop, loopsBehind } from "./loops.ts";
import { spectralRadii } from "./spectral.ts";

export interface BpttOptions extends EvaluateOptions {
  /** The sequence of the batch whose Jacobians are multiplied; 0. */
  readonly sample?: number;
  /** The step t of dS_t/dS_k; otherwise the last one (in the loop's order) that the loss sees. */
  readonly step?: number;
  /** Whether to multiply the Jacobians; they take as many passes as the state has numbers. On unless false. */
  readonly jacobian?: boolean;
}

/** Back-propagation through one loop over time, step by step. Arrays have an entry for each step k. */
export interface BpttLoop {
  /** The module's path and, for a layer of several, which: `rnn.l0`. */
  readonly name: string;
  readonly steps: number;
  /** Whether the loop runs from the last step to the first; then the loss reaches back to later steps. */
  readonly reverse: boolean;
  /** ‖dE/dS_k‖ over the batch, S being all of the state (h and c of an LSTM). */
  readonly state: Float32Array;
  /** By parameter: the norm of step k's term of dE/dW = Σ_k dE/dS_k · ∂⁺S_k/∂W. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
  /** The step t of `jacobian`. */
  readonly step: number;
  /** Spectral norm of dS_t/dS_k = Π_{k<j≤t} dS_j/dS_{j-1}, 0 for steps after t; absent where left out. */
  readonly jacobian?: Float32Array;
  /** Largest modulus of the eigenvalues of each square block of weights that acts on the state. */
  readonly spectralRadius: Readonly<Record<string, number>>;
}

export interface Bptt {
  readonly loss: number;
  /** In the order in which they run. */
  readonly loops: readonly BpttLoop[];
  /** Norm of the gradient of each parameter outside of loops, such as V of O_t = g(V S_t). */
  readonly outside: Readonly<Record<string, number>>;
}

/**
 * How a loss reaches back through time. For E_t, the lecture's
 *
 *     dE_t/dW = Σ_{k ≤ t} dE_t/dO_t · dO_t/dS_t · (Π_{k<j≤t} dS_j/dS_{j-1}) · ∂⁺S_k/∂W
 *
 * (∂⁺: S_{k-1} held fixed), and likewise for U: the norm of every term, the norm of the product, and the spectral
 * radius of W. V stands outside the sum. Takes RNN, LSTM, GRU and cells of one's own in a Runner, stacked or
 * in both directions; E may see one step or all of them. Recurrent dropout stays on unless `model.eval()`.
 *
 * @param loss a scalar computed from the model: E_t
 * @throws where the loss depends on no recurrent layer
 * @example
 * const { output } = model.rnn.forward(x);                             // (T, N, H)
 * const atEnd = nn.crossEntropy(model.head.forward(output.select(T - 1, 0)), target);
 * const { loops: [rnn] } = await inspect.bptt(model, atEnd);
 * rnn.gradients["rnn.weight_hh_l0"]; // T norms: does W hear of step 0?
 */
export async function bptt(
  model: Module,
  loss: Tensor,
  { sample = 0, step, jacobian = true, ...options }: BpttOptions = {},
): Promise<Bptt> {
  if (loss.size !== 1) {
    throw new TensorlaneError(`bptt: the loss must be a scalar, received ${loss}; take .sum()`);
  }
  const loops = loopsBehind([loss], model);
  if (loops.length === 0) throw new TensorlaneError("bptt: the loss depends on no recurrent layer");
  const inside = new Set(loops.flatMap(({ parameters }) => [...parameters.keys()]));
  const outside = model.namedParameters().filter(([, parameter]) => !inside.has(parameter));
  const read = loops.flatMap(({ results, states }) => [...results, ...states]);
  const grads = vjp(
    [loss],
    [ops.ones(loss.shape)],
    [...outside.map(([, parameter]) => parameter), ...read],
  );
  const arriving = new Map(read.map((tensor, i) => [tensor, grads[outside.length + i]]));
  const terms = loops.map((found) => termsOf(found, arriving));
  const norms = outside.map((_, i) => (grads[i] ? norm(grads[i]) : ops.constant(0)));
  const values = (
    await evaluate([loss, ...norms, ...terms.flatMap((of) => Object.values(of))], options)
  ).map(({ data }) => data as Float32Array);
  const next = values.slice(1 + outside.length).values();
  const report: BpttLoop[] = [];
  for (const [i, found] of loops.entries()) {
    const { seen, state, ...gradients } = Object.fromEntries(
      Object.keys(terms[i]).map((name) => [name, next.next().value as Float32Array]),
    );
    const { reverse } = found.loop;
    const t =
      step ?? (reverse ? firstNonZero(seen) : seen.length - 1 - firstNonZero(seen.toReversed()));
    if (!(Number.isInteger(t) && t >= 0 && t < seen.length)) {
      throw new TensorlaneError(`bptt: step ${t} of ${found.name}, which has ${seen.length} steps`);
    }
    report.push({
      name: found.name,
      steps: seen.length,
      reverse,
      state,
      gradients,
      step: t,
      ...(jacobian ? { jacobian: await jacobianProducts(found, { t, sample, ...options }) } : {}),
      spectralRadius: await spectralRadii(found, options),
    });
  }
  return {
    loss: values[0][0],
    loops: report,
    outside: Object.fromEntries(outside.map(([name], i) => [name, values[1 + i][0]])),
  };
}

/** Where the loss looks at the loop; step 0 where it does not. */
const firstNonZero = (values: Float32Array): number =>
  Math.max(
    0,
    values.findIndex((value) => value !== 0),
  );

/** Norms (T) of the gradient that reaches each step's state, directly ("seen") or in all, and of each term. */
function termsOf(
  { loop, results, states, parameters, foreign }: FoundLoop,
  arriving: ReadonlyMap<Tensor, Tensor | undefined>,
): Record<string, Tensor> {
  const [steps] = ops.requireStatic("bptt: time", [loop.length]);
  const floats = loop.states.flatMap((state, i) => (state.dtype === "float32" ? [i] : []));
  const upstream = results.map((result) => arriving.get(result));
  const given = upstream.flatMap((grad, i) => (grad ? [i] : []));
  const init = floats.map((i) => arriving.get(states[i]) ?? ops.zeros(states[i].shape));
  const next = floats.map((i) => loop.nextStates[i]);
  const wanted = [...floats.map((i) => loop.states[i]), ...parameters.keys()];
  const pace = given.length > 0 ? given.map((i) => upstream[i]!) : [ops.zeros([steps])];
  const { ys } = loop.backwards(init, pace, (carried, direct) => {
    const grads = vjp(
      [...next, ...given.map((i) => loop.results[i])],
      [...carried, ...(given.length > 0 ? direct : [])],
      [...next, ...wanted],
      { stop: foreign },
    );
    const reaching = grads.slice(0, next.length);
    const before = grads.slice(next.length, 2 * next.length);
    const terms = grads.slice(2 * next.length);
    return {
      states: before.map((grad, k) => grad ?? ops.zeros(loop.states[floats[k]].shape)),
      ys: [norm(...reaching), ...terms.map((grad) => norm(grad))],
    };
  });
  return {
    seen: seenBy(
      loop.reverse,
      steps,
      given.map((i) => upstream[i]!),
      floats.map((i) => arriving.get(states[i])),
    ),
    state: ys[0],
    ...Object.fromEntries([...parameters.values()].map((name, i) => [name, ys[1 + i]])),
  };
}

/** How strongly the loss looks at each step itself: at its results, and after the last step at the state. */
function seenBy(
  reverse: boolean,
  steps: number,
  results: readonly Tensor[],
  finals: readonly (Tensor | undefined)[],
): Tensor {
  const last = ops.equal(ops.arange(steps), reverse ? 0 : steps - 1);
  const parts = results.map((grad) =>
    ops.sum(ops.abs(ops.reshape(grad, [steps, grad.shape.slice(1).reduce(times, 1)])), { dim: 1 }),
  );
  return [...parts, ops.where(last, norm(...finals), 0)].reduce((a, b) => ops.add(a, b));
}
const times = (a: Tensor["shape"][number], b: Tensor["shape"][number]) =>
  ops.requireStatic("bptt", [a, b]).reduce((x, y) => x * y);

/** The Euclidean norm of tensors together, also where squares would underflow: gradients may vanish. */
function norm(...tensors: readonly (Tensor | undefined)[]): Tensor {
  const flat = tensors.flatMap((x) => (x ? [ops.reshape(x, [x.size])] : []));
  if (flat.length === 0) return ops.constant(0);
  const all = ops.abs(flat.length === 1 ? flat[0] : ops.concat(flat, 0));
  const largest = ops.amax(all);
  const scale = ops.where(ops.equal(largest, 0), 1, largest);
  return ops.mul(scale, ops.sqrt(ops.sum(ops.square(ops.div(all, scale)))));
}
