import { TensorlaneError } from "../errors.ts";
import { type EvaluateOptions, evaluate } from "../evaluate.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type Module, withMode } from "../nn/module.ts";
import { gateName } from "../nn/recurrent/gate.ts";
import { type FoundLoop, loopsBehind, tensorsIn } from "./loops.ts";

/** What one gate or state did: a value for each step, sequence and unit. */
export interface GateValues {
  /** (T, N, units), whatever the layer's `batchFirst`. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

/** The gates of a recurrent layer in one direction. */
export interface LoopGates {
  /** Its module's path and, for a layer of several, which: `encoder.l1_reverse`. */
  readonly name: string;
  /** Whether it runs from the last step to the first; values stand at their step all the same. */
  readonly reverse: boolean;
  /**
   * By name. LSTM: i, f, o, g (the candidate), C (cell state), h. GRU: r, z, n (the candidate), h. RNN: h.
   * A cell of one's own: what it named by `nn.gate`.
   */
  readonly gates: Readonly<Record<string, GateValues>>;
}

/**
 * What the gates of a model's recurrent layers do with an input, at every step and unit, in evaluation mode.
 * These are tensors of the layers' own step. Beyond the end of a sequence of given length they say nothing.
 *
 * @param input what `forward` takes, or a function that runs the model
 * @throws where the model has no recurrent layer, or only cells that name no gates
 * @example
 * const [{ gates }] = await inspect.gates(model, tokens);
 * const [best] = inspect.rankUnits(gates.C, columnOfEachCharacter); // { unit: 17, correlation: 0.93 }
 */
export async function gates(
  model: Module,
  input: Tensor | (() => unknown),
  options: EvaluateOptions = {},
): Promise<LoopGates[]> {
  const result = withMode(model, false, () =>
    typeof input === "function" ? input() : model.forward(...([input] as never[])),
  );
  const found = loopsBehind(tensorsIn(result), model).map((loop) => ({
    ...loop,
    named: [...namedIn(loop)],
  }));
  const tensors = found.flatMap(({ loop, named }) => named.map(([, x]) => loop.stack(x)));
  if (tensors.length === 0) {
    throw new TensorlaneError(
      found.length === 0
        ? "gates: the model's result depends on no recurrent layer"
        : `gates: ${found.map(({ name }) => name).join(", ")} names no gates; ` +
            'a cell does so by nn.gate("z", tensor) in its forward',
    );
  }
  const values = (await evaluate(tensors, options)).values();
  return found.map(({ name, loop, named }) => ({
    name,
    reverse: loop.reverse,
    gates: Object.fromEntries(
      named.map(([gate]) => {
        const { shape, data } = values.next().value!;
        return [gate, { shape, data: data as Float32Array }];
      }),
    ),
  }));
}

/** The step's named tensors; where two cells share a step, with their cells' paths. */
function namedIn({ loop }: FoundLoop): Map<string, Tensor> {
  const all = [...loop.nodes].flatMap((node) =>
    node.outputs.flatMap((x) => {
      const name = gateName(x);
      return name === undefined ? [] : [{ name, x }];
    }),
  );
  const once = new Set(all.map(({ name }) => name)).size === all.length;
  return new Map(all.map(({ name, x }) => [once ? name : `${x.node.path}.${name}`, x]));
}

/** How closely a unit follows a signal. */
export interface UnitRank {
  readonly unit: number;
  /** Pearson's, from -1 to 1; 0 for a unit or a signal that never changes. */
  readonly correlation: number;
}

/**
 * The units of a gate by how closely they follow a signal (the position in a line, whether a quotation is
 * open), closest first; a unit may follow it upside down.
 *
 * @param signal a number for each step (T), or for each step and sequence (T, N); NaN where it does not count
 */
export function rankUnits({ shape, data }: GateValues, signal: ArrayLike<number>): UnitRank[] {
  const [steps, batch, units] = shape;
  if (signal.length !== steps && signal.length !== steps * batch) {
    throw new TensorlaneError(
      `rankUnits: the gate has ${steps} steps of ${batch} sequences; give a signal of ${steps} or ` +
        `${steps * batch} numbers, received ${signal.length}`,
    );
  }
  const rows = Array.from({ length: steps * batch }, (_, row) => row).filter(
    (row) => !Number.isNaN(at(row)),
  );
  function at(row: number): number {
    return signal[signal.length === steps ? Math.floor(row / batch) : row];
  }
  const wanted = centred(rows.map(at));
  const ranks = Array.from({ length: units }, (_, unit) => {
    const own = centred(rows.map((row) => data[row * units + unit]));
    const scale = Math.sqrt(dot(own, own) * dot(wanted, wanted));
    return { unit, correlation: scale > 0 ? dot(own, wanted) / scale : 0 };
  });
  return ranks.sort((a, b) => Math.abs(b.correlation) - Math.abs(a.correlation));
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * b[i], 0);
