import { type Intercept, unbroadcast, vjp } from "../../autodiff/gradients.ts";
import { TensorlaneError } from "../../errors.ts";
import { equal, format, type Size, sameShape, sizeOf } from "../dim.ts";
import { type Body, lowerScan, type ScanAttrs } from "../loop.ts";
import { apply, type Node, type Op, placeholder, type Tensor } from "../tensor.ts";
import { dependents, topological } from "../walk.ts";
import { zeros } from "./create.ts";
import { add } from "./elementwise.ts";
import { take, takeOp } from "./indexing.ts";
import { linearOp, matmulOp } from "./matmul.ts";
import { reshape } from "./shape.ts";

/** Inputs: initial states, sequences, tensors captured from outside. Outputs: final states, stacked results. */
export const scanOp: Op<ScanAttrs> = {
  name: "scan",
  infer: (inputs, { states, slices, nextStates, results, length }) => {
    for (const [i, state] of states.entries()) {
      const [start, next] = [inputs[i], nextStates[i]];
      if (next.dtype !== start.dtype || !sameShape(next.shape, start.shape)) {
        throw new TensorlaneError(
          `scan: state ${i} starts as ${start.dtype}${format(start.shape)} but the step returns ` +
            `${next.dtype}${format(next.shape)}; a state keeps its type and shape`,
        );
      }
      if (!sameShape(state.shape, start.shape))
        throw new Error("scan: body made for another state");
    }
    for (const [i] of slices.entries()) {
      const sequence = inputs[states.length + i];
      if (!equal(sequence.shape[0], length)) {
        throw new TensorlaneError(
          `scan: sequence ${i} has ${sequence.shape[0]} steps, sequence 0 has ${length}`,
        );
      }
    }
    const stacked = results.map(({ dtype, shape }) => ({ dtype, shape: [length, ...shape] }));
    return [...nextStates.map(({ dtype, shape }) => ({ dtype, shape })), ...stacked];
  },
  gradient: ({ inputs, outputs, grads, attrs, needs }) =>
    backward(inputs, outputs, grads, attrs, needs),
  lower: (onnx, inputs, attrs) => lowerScan(onnx, inputs, attrs),
};

/** The step's own nodes, and the tensors from outside that they read. */
function inside({ states, slices, nextStates, results }: Body): {
  readonly nodes: Set<Node>;
  readonly captured: readonly Tensor[];
} {
  const cut = new Set([...states, ...slices]);
  const outputs = [...nextStates, ...results];
  const order = topological(outputs, cut);
  const nodes = dependents(order, cut);
  const captured = new Set<Tensor>();
  const note = (tensor: Tensor) => {
    if (!cut.has(tensor) && !nodes.has(tensor.node)) captured.add(tensor);
  };
  for (const node of order) if (nodes.has(node)) for (const input of node.inputs) note(input);
  for (const output of outputs) note(output);
  return { nodes, captured: [...captured] };
}

function run(
  init: readonly Tensor[],
  sequences: readonly Tensor[],
  attrs: ScanAttrs,
): readonly Tensor[] {
  return apply(scanOp, [...init, ...sequences, ...inside(attrs).captured], attrs);
}

/** Maps states and slices to new states (of the same types) and results. */
type Step = (
  states: readonly Tensor[],
  slices: readonly Tensor[],
) => { readonly states: readonly Tensor[]; readonly ys?: readonly Tensor[] };

/**
 * A loop over the first axis of `xs`: the step gets the states and one slice of each sequence, and
 * returns new states (same types) and results, which are stacked. Its gradient is a loop in the other
 * direction: back-propagation through time. Weights read from outside get their gradient as one product
 * over all steps.
 *
 * @param options.reverse from the last step to the first (results stay in their places)
 * @param options.recompute keep only states for the backward pass and compute the rest again
 * @example
 * // Running total of a sequence (T, N):
 * const { ys: [totals] } = scan([zeros([n])], [xs], ([total], [x]) => {
 *   const next = total.add(x);
 *   return { states: [next], ys: [next] };
 * });
 */
export function scan(
  init: readonly Tensor[],
  xs: readonly Tensor[],
  step: Step,
  options: { readonly reverse?: boolean; readonly recompute?: boolean } = {},
): { readonly states: readonly Tensor[]; readonly ys: readonly Tensor[] } {
  if (xs.length === 0 || xs.some((x) => x.rank === 0)) {
    throw new TensorlaneError("scan: needs at least one sequence, whose first axis is looped over");
  }
  const body = trace(init, xs, step);
  const { reverse = false, recompute = false } = options;
  const outputs = run(init, xs, { ...body, length: xs[0].shape[0], reverse, recompute });
  return { states: outputs.slice(0, init.length), ys: outputs.slice(init.length) };
}

/** Runs a step once, on tensors that stand for the states and slices. */
function trace(init: readonly Tensor[], xs: readonly Tensor[], step: Step): Body {
  const states = init.map((t, i) => placeholder(`state_${i}`, t.shape, t.dtype));
  const slices = xs.map((t, i) => placeholder(`slice_${i}`, t.shape.slice(1), t.dtype));
  const { states: nextStates, ys: results = [] } = step(states, slices);
  if (nextStates.length !== states.length) {
    throw new TensorlaneError(
      `scan: the step received ${states.length} states and returned ${nextStates.length}`,
    );
  }
  return { root: {}, states, slices, nextStates, results };
}

/** A captured tensor's gradient left for after the loop: from a step's gradient and another of its tensors, stacked. */
interface Deferred {
  readonly captured: Tensor;
  readonly grad: Tensor;
  readonly left?: Tensor;
  total(grads: Tensor, lefts: Tensor | undefined): Tensor;
}

/** What can be left: Σ_t a_tᵀ g_t of a product, Σ_t g_t of what is added, the rows of a table that were taken. */
function deferrable(node: Node, input: number, grad: Tensor): Deferred | undefined {
  const { op, inputs, attrs } = node;
  const captured = inputs[input];
  const isProduct = op === (matmulOp as unknown as Op) || op === linearOp;
  if (isProduct && input === 1 && captured.rank === 2 && inputs[0].rank === 2) {
    const { transA = false, transB = true } = attrs as { transA?: boolean; transB?: boolean };
    if (transA) return undefined;
    const total = (grads: Tensor, lefts: Tensor | undefined) => {
      const [a, g] = [flatRows(lefts!), flatRows(grads)];
      return apply(matmulOp, transB ? [g, a] : [a, g], { transA: true, transB: false })[0];
    };
    return { captured, grad, left: inputs[0], total };
  }
  if (op.name === "add" || (op === linearOp && input === 2)) {
    return { captured, grad, total: (grads) => unbroadcast(grads, captured) };
  }
  if (op === (takeOp as unknown as Op) && (attrs as { axis: number }).axis === 0) {
    const total = (grads: Tensor, indices: Tensor | undefined) => {
      const [rows] = vjp([take(captured, indices!, 0)], [grads], [captured], {
        stop: new Set([captured]),
      });
      return rows!;
    };
    return { captured, grad, left: inputs[1], total };
  }
  return undefined;
}

/** Back-propagation through time. */
function backward(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  grads: readonly (Tensor | undefined)[],
  attrs: ScanAttrs,
  needs: readonly boolean[],
): readonly (Tensor | null)[] {
  const { states, slices, nextStates, results } = attrs;
  const nStates = states.length;
  const sequences = inputs.slice(nStates, nStates + slices.length);
  const captured = inputs.slice(nStates + slices.length);
  const { nodes } = inside(attrs);
  const isFloat = (tensor: Tensor) => tensor.dtype === "float32";

  // 1. One step backwards: gradients of its inputs from those of its outputs.
  const carried = states.flatMap((state, i) => (isFloat(state) ? [i] : []));
  const stateGrads = carried.map((i) => placeholder(`d_state_${i}`, states[i].shape));
  const arriving = results.flatMap((_, i) => (grads[nStates + i] ? [i] : []));
  const resultGrads = arriving.map((i) => placeholder(`d_result_${i}`, results[i].shape));
  const wantedSlices = slices.flatMap((_, i) => (needs[nStates + i] ? [i] : []));
  const wantedCaptured = captured.filter((_, i) => needs[nStates + slices.length + i]);
  const deferred: Deferred[] = [];
  const outside = new Set(wantedCaptured);
  const own = (tensor: Tensor) =>
    states.includes(tensor) || slices.includes(tensor) || nodes.has(tensor.node);
  const intercept: Intercept = (node, input, { grad }) => {
    const tensor = node.inputs[input];
    if (!outside.has(tensor) || !nodes.has(node)) return false;
    const later = deferrable(node, input, grad);
    if (!later || (later.left && !own(later.left))) return false;
    deferred.push(later);
    return true;
  };
  const stepGrads = vjp(
    [...carried.map((i) => nextStates[i]), ...arriving.map((i) => results[i])],
    [...stateGrads, ...resultGrads],
    [...carried.map((i) => states[i]), ...wantedSlices.map((i) => slices[i]), ...wantedCaptured],
    { stop: new Set([...states, ...slices, ...captured]), intercept },
  );
  const ofStates = carried.map((i, k) => stepGrads[k] ?? zeros(states[i].shape));
  const ofSlices = wantedSlices.map(
    (i, k) => stepGrads[carried.length + k] ?? zeros(slices[i].shape),
  );
  const summed = wantedCaptured.flatMap((tensor, k) => {
    const grad = stepGrads[carried.length + wantedSlices.length + k];
    return grad ? [{ tensor, grad, total: placeholder("d_captured", tensor.shape) }] : [];
  });

  // 2. Which of the forward step's tensors it reads: the forward loop keeps them, they are fed in.
  // A gradient may be wanted twice, as the input's and for a weight's product: it is stacked once.
  const produced = [...new Set([...ofSlices, ...deferred.map(({ grad }) => grad)])];
  const kept = boundary(
    [...ofStates, ...summed.map(({ grad }) => grad), ...produced],
    new Set([...stateGrads, ...resultGrads, ...captured]),
    (tensor) =>
      states.includes(tensor) ||
      slices.includes(tensor) ||
      (!attrs.recompute && nodes.has(tensor.node)),
  );
  const lefts = deferred.flatMap(({ left }) => (left ? [left] : []));
  const forward = extend(
    inputs,
    outputs,
    attrs,
    [...new Set([...kept, ...lefts])].filter((tensor) => !slices.includes(tensor)),
  );
  const stackOf = (tensor: Tensor): Tensor => {
    const slice = slices.indexOf(tensor);
    return slice >= 0 ? sequences[slice] : forward.stackOf(tensor);
  };

  // 3. The loop in the other direction. One sequence must pace it, even where its step reads none.
  const fed = [...resultGrads, ...kept];
  const final = run(
    [
      ...carried.map((i) => grads[i] ?? zeros(states[i].shape)),
      ...summed.map(({ tensor }) => zeros(tensor.shape)),
    ],
    fed.length > 0
      ? [...arriving.map((i) => grads[nStates + i] as Tensor), ...kept.map(stackOf)]
      : [sequences[0]],
    {
      root: {},
      states: [...stateGrads, ...summed.map(({ total }) => total)],
      slices: fed.length > 0 ? fed : [slices[0]],
      nextStates: [
        ...ofStates,
        ...summed.map(({ grad, total }) => add(total, unbroadcast(grad, total))),
      ],
      results: produced,
      length: attrs.length,
      reverse: !attrs.reverse,
      recompute: false,
    },
  );

  // 4. Gradients of the loop's inputs.
  const yielded = (tensor: Tensor) =>
    final[carried.length + summed.length + produced.indexOf(tensor)];
  const total = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, grad: Tensor) => {
    const before = total.get(tensor);
    total.set(tensor, before ? add(before, grad) : grad);
  };
  for (const [k, { tensor }] of summed.entries()) accumulate(tensor, final[carried.length + k]);
  for (const { captured: tensor, grad, left, total: sum } of deferred) {
    accumulate(tensor, sum(yielded(grad), left && stackOf(left)));
  }
  return inputs.map((tensor, i) => {
    if (!needs[i]) return null;
    if (i < nStates) return final[carried.indexOf(i)];
    if (i < nStates + slices.length) return yielded(ofSlices[wantedSlices.indexOf(i - nStates)]);
    return total.get(tensor) ?? null;
  });
}

const flatRows = (x: Tensor): Tensor => reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);

/** The first tensors met on the way from `outputs` that satisfy `isKept`. */
function boundary(
  outputs: readonly Tensor[],
  stop: ReadonlySet<Tensor>,
  isKept: (tensor: Tensor) => boolean,
): readonly Tensor[] {
  const kept = new Set<Tensor>();
  const has = (tensor: Tensor) => {
    if (stop.has(tensor)) return true;
    if (isKept(tensor)) kept.add(tensor);
    return kept.has(tensor);
  };
  topological(outputs, { has } as ReadonlySet<Tensor>);
  return [...kept];
}

/** The same loop with more of its step's tensors stacked. */
function extend(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  attrs: ScanAttrs,
  tensors: readonly Tensor[],
): { readonly states: readonly Tensor[]; readonly stackOf: (tensor: Tensor) => Tensor } {
  const { states, slices, results } = attrs;
  // Results may name a tensor twice, so lengths alone would not tell whether something was added.
  const added = [...new Set(tensors)].filter((tensor) => !results.includes(tensor));
  const all = [...results, ...added];
  const [start, split] = [states.length, states.length + slices.length];
  const longer =
    added.length === 0
      ? outputs
      : run(inputs.slice(0, start), inputs.slice(start, split), { ...attrs, results: all });
  return {
    states: longer.slice(0, start),
    stackOf: (tensor) => longer[start + all.indexOf(tensor)],
  };
}

/** The loop bodies a node runs: equal ones are run once. */
export const scansOf = (node: Node): readonly object[] =>
  node.op === (scanOp as unknown as Op) ? [(node.attrs as ScanAttrs).root] : [];

/** One loop that yields what each of several loops over the same body yields. */
export function unionOfScans(family: readonly Node[]): Map<Node, readonly Tensor[]> {
  const resultsOf = (node: Node) => (node.attrs as ScanAttrs).results;
  const [first] = family;
  const union = extend(
    first.inputs,
    first.outputs,
    first.attrs as ScanAttrs,
    family.flatMap(resultsOf),
  );
  return new Map(
    family.map((node) => [node, [...union.states, ...resultsOf(node).map(union.stackOf)]]),
  );
}

/** A loop taken apart. */
export interface Loop {
  /** The step's own nodes. */
  readonly nodes: ReadonlySet<Node>;
  readonly length: Size;
  readonly reverse: boolean;
  /** Tensors that stand for the carried state, before and after a step. */
  readonly states: readonly Tensor[];
  readonly nextStates: readonly Tensor[];
  /** What each step yields. */
  readonly results: readonly Tensor[];
  /** What the step reads from outside. */
  readonly captured: readonly Tensor[];
  /** A tensor of the step, stacked over all steps: (length, …). */
  stack(tensor: Tensor): Tensor;
  /**
   * A loop in the other direction whose step may read tensors of this one's; they are computed again from
   * the states and slices of the same step.
   */
  backwards(init: readonly Tensor[], xs: readonly Tensor[], step: Step): ReturnType<typeof scan>;
}

/** The loop that a node is; undefined for other nodes. */
export function loopOf(node: Node): Loop | undefined {
  if (node.op !== (scanOp as unknown as Op)) return undefined;
  const attrs = node.attrs as ScanAttrs;
  const { states, slices, length, reverse } = attrs;
  const stack = (tensor: Tensor): Tensor => {
    const slice = slices.indexOf(tensor);
    if (slice >= 0) return node.inputs[states.length + slice];
    return extend(node.inputs, node.outputs, attrs, [tensor]).stackOf(tensor);
  };
  const { nodes, captured } = inside(attrs);
  return {
    ...attrs,
    nodes,
    captured,
    stack,
    backwards: (init, xs, step) => {
      const replayed = [...states, ...slices];
      const body = trace(init, xs, step);
      const outputs = run(init, [...xs, ...replayed.map(stack)], {
        ...body,
        slices: [...body.slices, ...replayed],
        length,
        reverse: !reverse,
        recompute: false,
      });
      return { states: outputs.slice(0, init.length), ys: outputs.slice(init.length) };
    },
  };
}
