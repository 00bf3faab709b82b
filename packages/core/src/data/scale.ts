/** How values are brought to a common size; `identity` leaves them. */
export type ScalerKind = "identity" | "max" | "minmax" | "standard";

/** A scaler as JSON, for checkpoints. */
export interface ScalerState {
  readonly kind: ScalerKind;
  /** Columns it was fitted on one by one; 0: one pair for all. */
  readonly columns: number;
  readonly offset: readonly number[];
  readonly scale: readonly number[];
}

export interface FitOptions {
  /** Columns of the row-major matrix; default 1. */
  readonly columns?: number | undefined;
  /** A pair of numbers for every column instead of one for the whole; default false. */
  readonly perColumn?: boolean | undefined;
}

/**
 * (x - offset) / scale, fitted on the training part only.
 *
 * `max`: x / max; `minmax`: (x - min) / (max - min); `standard`: (x - mean) / standard deviation (of the
 * population). NaN counts as missing and stays NaN. A constant column keeps scale 1.
 *
 * @example
 * const scaler = Scaler.fit("max", values.subarray(0, trainRows * columns), { columns });
 * const scaled = scaler.transform(values); // (rows, columns)
 * const back = scaler.inverse(predictions);
 */
export class Scaler {
  readonly state: ScalerState;

  constructor(state: ScalerState) {
    const pairs = state.columns === 0 ? 1 : state.columns;
    if (state.offset.length !== pairs || state.scale.length !== pairs)
      throw new RangeError(
        `Scaler: ${state.offset.length} offsets and ${state.scale.length} scales for ${pairs}; the checkpoint does not fit`,
      );
    if (![...state.offset, ...state.scale].every(Number.isFinite) || state.scale.includes(0))
      throw new RangeError("Scaler: offsets and scales must be finite, scales not 0");
    this.state = state;
  }

  /** Fits on a row-major matrix that must hold training rows only. */
  static fit(kind: ScalerKind, train: Float32Array, options: FitOptions = {}): Scaler {
    const { columns = 1, perColumn = false } = options;
    if (train.length === 0 || train.length % columns !== 0)
      throw new RangeError(`Scaler: ${train.length} values are not whole rows of ${columns}`);
    const pairs = perColumn ? columns : 1;
    const offset: number[] = [];
    const scale: number[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const s = statistics(train, pair, pairs);
      if (s.count === 0)
        throw new RangeError(`Scaler: column ${pair} has no value in the training part`);
      const [o, k] = {
        identity: [0, 1],
        max: [0, s.max],
        minmax: [s.min, s.max - s.min],
        standard: [s.mean, s.deviation],
      }[kind] as [number, number];
      offset.push(o);
      scale.push(k === 0 ? 1 : k);
    }
    return new Scaler({ kind, columns: perColumn ? columns : 0, offset, scale });
  }

  /** Scaled copy (or into `out`, which may be `values`); the last dimension is the column. */
  transform(values: Float32Array, out = new Float32Array(values.length)): Float32Array {
    return this.#apply(values, out, (x, offset, scale) => (x - offset) / scale);
  }

  /** Back to the original unit. */
  inverse(values: Float32Array, out = new Float32Array(values.length)): Float32Array {
    return this.#apply(values, out, (x, offset, scale) => x * scale + offset);
  }

  #apply(
    values: Float32Array,
    out: Float32Array,
    f: (x: number, offset: number, scale: number) => number,
  ): Float32Array {
    const { offset, scale } = this.state;
    const pairs = offset.length;
    if (values.length % pairs !== 0 || out.length !== values.length)
      throw new RangeError(
        `Scaler: ${values.length} values into ${out.length}, fitted on ${pairs} columns: give whole rows`,
      );
    for (let i = 0; i < values.length; i++) {
      const c = i % pairs;
      out[i] = f(values[i]!, offset[c]!, scale[c]!);
    }
    return out;
  }

  toJSON(): ScalerState {
    return this.state;
  }
}

function statistics(values: Float32Array, first: number, step: number) {
  let count = 0;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = first; i < values.length; i += step) {
    const x = values[i]!;
    if (Number.isNaN(x)) continue;
    count++;
    sum += x;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  const mean = sum / count;
  // A second pass: the difference of two large sums would lose the small deviations.
  let squares = 0;
  for (let i = first; i < values.length; i += step) {
    const x = values[i]!;
    if (!Number.isNaN(x)) squares += (x - mean) ** 2;
  }
  return { count, min, max, mean, deviation: Math.sqrt(squares / count) };
}
