import { TensorlaneError } from "../errors.ts";
import { format } from "../graph/dim.ts";
import type { Distribution } from "../graph/tensor.ts";
import { Parameter } from "../graph/tensor.ts";
import { fillRandom } from "../random/fill.ts";
import { fnv1a } from "../random/hash.ts";

/** Fills an array with random numbers of a distribution; every initialiser draws from one such source. */
export type Draw = (target: Float32Array, distribution: Distribution) => void;

/** A rule for a parameter's first values: fills `target`, which is row-major of this shape. */
export type Initializer = (target: Float32Array, shape: readonly number[], draw: Draw) => void;

/** The numbers that belong to a seed and a parameter's name, the same on every machine. */
export function drawFor(seed: number, name: string): Draw {
  const stream = fnv1a(`init:${name}`);
  // Each further draw of an initialiser takes the next step of the stream.
  let step = 0;
  return (target, distribution) => {
    fillRandom(target, distribution, { seed, step: step++, stream });
  };
}

// Rules --------------------------------------------------------------------------------------------

/** Evenly spread over [low, high). */
export const uniform =
  (low = 0, high = 1): Initializer =>
  (target, _shape, draw) =>
    draw(target, { kind: "uniform", low, high });

/** Normal with this mean and standard deviation. */
export const normal =
  (mean = 0, std = 1): Initializer =>
  (target, _shape, draw) =>
    draw(target, { kind: "normal", mean, std });

/** One value everywhere. */
export const constant =
  (value: number): Initializer =>
  (target) => {
    target.fill(value);
  };
export const zeros: Initializer = constant(0);
export const ones: Initializer = constant(1);

/** 1 on the diagonal of a matrix, 0 elsewhere. */
export const identity: Initializer = (target, shape) => {
  if (shape.length !== 2) throw wrongRank("identity", shape, "a matrix");
  const [rows, columns] = shape;
  target.fill(0);
  for (let i = 0; i < Math.min(rows, columns); i++) target[i * columns + i] = 1;
};

/**
 * An LSTM's bias (4 · hidden) with gates in the order i, f, g, o: this value for the forget gate, which so starts
 * open (Gers et al. 2000; Jozefowicz et al. 2015), and 0 elsewhere. Its other bias should start at zero.
 *
 * @example
 * const cell = new nn.LSTMCell({ inputSize: 8, hiddenSize: 16 });
 * nn.init.reset(cell.bias_ih!, nn.init.forgetGate());
 * nn.init.reset(cell.bias_hh!, nn.init.zeros);
 */
export const forgetGate =
  (value = 1): Initializer =>
  (target, shape) => {
    if (shape.length !== 1 || shape[0] % 4 !== 0) {
      throw wrongRank("forgetGate", shape, "an LSTM's bias (4 · hidden)");
    }
    const hidden = shape[0] / 4;
    target.fill(0).fill(value, hidden, 2 * hidden);
  };

/** Another rule, then zeros in one row: for an embedding's padding. */
export const withZeroRow =
  (rule: Initializer, row: number): Initializer =>
  (target, shape, draw) => {
    rule(target, shape, draw);
    const width = target.length / shape[0];
    const at = (row < 0 ? row + shape[0] : row) * width;
    target.fill(0, at, at + width);
  };

/** Number of inputs and outputs of one unit: of a weight [out, in, ...kernel]. */
export function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  if (shape.length < 2) throw wrongRank("fans", shape, "a weight with at least 2 axes");
  const field = shape.slice(2).reduce((a, b) => a * b, 1);
  return { fanIn: shape[1] * field, fanOut: shape[0] * field };
}

/** Functions whose gain is known, by PyTorch's names in camelCase. */
export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leakyRelu"
  | "selu";

/**
 * The factor that keeps the variance of activations through a nonlinearity, as `torch.nn.init.calculate_gain`
 * has it; `slope` is leakyRelu's, 0.01 unless given.
 */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  switch (nonlinearity) {
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
      return Math.sqrt(2 / (1 + slope * slope));
    case "selu":
      return 3 / 4;
    case "linear":
    case "conv1d":
    case "conv2d":
    case "conv3d":
    case "sigmoid":
      return 1;
    default:
      throw new TensorlaneError(
        `calculateGain: unknown nonlinearity "${nonlinearity}"; ` +
          "use linear, sigmoid, tanh, relu, leakyRelu or selu",
      );
  }
}

/** Glorot & Bengio 2010: variance gain² · 2 / (fanIn + fanOut), uniform. */
export const xavierUniform =
  ({ gain = 1 } = {}): Initializer =>
  (target, shape, draw) => {
    const bound = Math.sqrt(3) * xavierStd(shape, gain);
    draw(target, { kind: "uniform", low: -bound, high: bound });
  };

/** Glorot & Bengio 2010: variance gain² · 2 / (fanIn + fanOut), normal. */
export const xavierNormal =
  ({ gain = 1 } = {}): Initializer =>
  (target, shape, draw) =>
    draw(target, { kind: "normal", mean: 0, std: xavierStd(shape, gain) });

function xavierStd(shape: readonly number[], gain: number): number {
  const { fanIn, fanOut } = fans(shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

export interface KaimingOptions {
  /** The slope of leakyRelu on its negative side; 0. */
  readonly a?: number;
  /** Keeps the variance of activations ("fanIn", the default) or of gradients ("fanOut"). */
  readonly mode?: "fanIn" | "fanOut";
  /** What follows the layer; leakyRelu. */
  readonly nonlinearity?: Nonlinearity;
}

/** He et al. 2015: variance gain² / fan, uniform. */
export const kaimingUniform =
  (options: KaimingOptions = {}): Initializer =>
  (target, shape, draw) => {
    const bound = Math.sqrt(3) * kaimingStd(shape, options);
    draw(target, { kind: "uniform", low: -bound, high: bound });
  };

/** He et al. 2015: variance gain² / fan, normal. */
export const kaimingNormal =
  (options: KaimingOptions = {}): Initializer =>
  (target, shape, draw) =>
    draw(target, { kind: "normal", mean: 0, std: kaimingStd(shape, options) });

function kaimingStd(
  shape: readonly number[],
  { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" }: KaimingOptions,
): number {
  if (mode !== "fanIn" && mode !== "fanOut") {
    throw new TensorlaneError(`kaiming: mode must be "fanIn" or "fanOut", received "${mode}"`);
  }
  return calculateGain(nonlinearity, a) / Math.sqrt(fans(shape)[mode]);
}

/**
 * Saxe et al. 2014: rows (or columns, where there are fewer) of unit length at right angles, times gain.
 * The Q of a normal matrix's QR decomposition with a positive diagonal of R, which Gram and Schmidt's
 * method gives directly; done twice, so that rounding does not tilt it.
 */
export const orthogonal =
  ({ gain = 1 } = {}): Initializer =>
  (target, shape, draw) => {
    if (shape.length < 2) throw wrongRank("orthogonal", shape, "at least 2 axes");
    const rows = shape[0];
    const columns = target.length / rows;
    const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
    draw(target, { kind: "normal", mean: 0, std: 1 });
    const vectors = Float64Array.from(target);
    const vector = (i: number) => vectors.subarray(i * length, (i + 1) * length);
    for (let i = 0; i < count; i++) {
      const v = vector(i);
      for (let j = 0; j < 2 * i; j++) subtractProjection(v, vector(j % i));
      const scale = 1 / Math.sqrt(dot(v, v));
      for (let k = 0; k < length; k++) v[k] *= scale;
    }
    const along = rows < columns;
    for (let at = 0; at < target.length; at++) {
      const [row, column] = [Math.floor(at / columns), at % columns];
      target[at] = gain * (along ? vectors[at] : vectors[column * length + row]);
    }
  };

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function subtractProjection(v: Float64Array, unit: Float64Array): void {
  const part = dot(v, unit);
  for (let i = 0; i < v.length; i++) v[i] -= part * unit[i];
}

function wrongRank(what: string, shape: readonly number[], wanted: string): TensorlaneError {
  return new TensorlaneError(`${what}: needs ${wanted}, received shape ${format(shape)}`);
}

// Parameters that know their rule -------------------------------------------------------------------

const rules = new WeakMap<Parameter, Initializer>();
/** PyTorch's one global habit: modules draw their first values as they are made, in that order. */
let globalSeed = 0;
let made = 0;

/**
 * Fixes the first values of modules made from here on, as PyTorch's `manual_seed` does: the same seed and
 * the same modules in the same order give the same weights.
 */
export function manualSeed(seed: number): void {
  globalSeed = seed;
  made = 0;
}

/**
 * A parameter that remembers how it is initialised. It starts with values of its own, drawn when they are
 * first read; `initialize` gives the ones that belong to a seed.
 *
 * @example
 * readonly weight = nn.init.parameter([64, 3, 3, 3], nn.init.kaimingNormal({ mode: "fanOut" }));
 */
export function parameter(shape: readonly number[], rule: Initializer): Parameter {
  const blank = (target: Float32Array) => target.fill(0);
  return reset(new Parameter(blank, shape), rule);
}

/** Gives a parameter another rule and new values by it. */
export function reset(target: Parameter, rule: Initializer): Parameter {
  if (target.dtype !== "float32") {
    throw new TensorlaneError(`init: takes float32 parameters, received ${target.dtype}`);
  }
  // The place in the order of modules is taken now, whenever the numbers are drawn.
  const draw = drawFor(globalSeed, `#${made++}`);
  target.fill((data) => rule(data, target.shape, draw));
  rules.set(target, rule);
  return target;
}

/**
 * Sets every parameter that has a rule to the first values that belong to (seed, its name): the same on
 * every machine, whatever else was built before. Parameters made without a rule keep their data.
 *
 * @example
 * const model = nn.init.initialize(new Net(), { seed: 7 });
 */
export function initialize<M extends { namedParameters(): Iterable<readonly [string, Parameter]> }>(
  model: M,
  { seed }: { readonly seed: number },
): M {
  for (const [name, target] of model.namedParameters()) {
    const rule = rules.get(target);
    const draw = drawFor(seed, name);
    if (rule) target.fill((data) => rule(data, target.shape, draw));
  }
  return model;
}
