import { TensorlaneError } from "../../errors.ts";
import type { Tensor } from "../tensor.ts";
import { detach, ones, zeros } from "./create.ts";
import { add, div, equal, greater, mul, sub, where } from "./elementwise.ts";
import { scatterRows, take } from "./indexing.ts";
import { norm } from "./norm.ts";
import { reshape, unsqueeze } from "./shape.ts";

export interface EmbeddingOptions {
  /** This row gets no gradient; negative ones count from the end. */
  readonly paddingIdx?: number;
  /** Rows with a larger norm are scaled down to it (no gradient flows through the scale). */
  readonly maxNorm?: number;
  /** The p of that norm; 2 by default. */
  readonly normType?: number;
  /** Divides each row's gradient by how often its token occurs. */
  readonly scaleGradByFreq?: boolean;
}

/**
 * Rows of weight (V, E) at the tokens (…), int32 or int64 -> (…, E). Unlike PyTorch's, `maxNorm` does
 * not change the weight itself.
 */
export function embedding(
  tokens: Tensor,
  weight: Tensor,
  { paddingIdx, maxNorm, normType = 2, scaleGradByFreq = false }: EmbeddingOptions = {},
): Tensor {
  const [count] = weight.shape;
  let rows = take(maxNorm === undefined ? weight : renormed(weight, maxNorm, normType), tokens, 0);
  if (scaleGradByFreq) {
    const flat = reshape(tokens, [tokens.size]);
    const once = ones([tokens.size, 1]);
    const times = take(scatterRows(zeros([count, 1]), flat, once), tokens, 0);
    rows = valueAndGradient(rows, mul(rows, div(1, times)));
  }
  if (paddingIdx === undefined) return rows;
  const row = paddingIdx < 0 && typeof count === "number" ? paddingIdx + count : paddingIdx;
  if (!Number.isInteger(row) || row < 0 || (typeof count === "number" && row >= count)) {
    throw new TensorlaneError(
      `embedding: paddingIdx ${paddingIdx} is not one of the ${count} rows`,
    );
  }
  return where(unsqueeze(equal(tokens, row), -1), detach(rows), rows);
}

/** The value of one tensor, the gradient of another: y - y is 0 exactly, whatever y's rounding. */
const valueAndGradient = (value: Tensor, y: Tensor): Tensor =>
  add(detach(value), sub(y, detach(y)));

function renormed(weight: Tensor, maxNorm: number, p: number): Tensor {
  const size = norm(detach(weight), { p, dim: 1, keepdim: true });
  // The 1e-7 is PyTorch's.
  const scale = where(greater(size, maxNorm), div(maxNorm, add(size, 1e-7)), 1);
  // As if the rows had been overwritten before: their gradient reaches the weight unscaled.
  return valueAndGradient(mul(weight, scale), weight);
}
