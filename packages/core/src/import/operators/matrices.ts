import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Call } from "../call.ts";
import type { Rules } from "./rule.ts";

/** alpha A' B' + beta C; PyTorch writes Linear so, with B transposed. */
function gemm(c: Call): Tensor {
  const [a, b, bias] = [c.tensor(0), c.tensor(1), c.optional(2)];
  const [alpha, beta] = [c.float("alpha", 1), c.float("beta", 1)];
  const [transA, transB] = [c.int("transA", 0) !== 0, c.int("transB", 0) !== 0];
  const left = transA ? ops.transpose(a) : a;
  if (transB && alpha === 1 && beta === 1 && bias?.rank === 1) return ops.linear(left, b, bias);
  const product = ops.multiply(left, b, false, transB);
  const scaled = alpha === 1 ? product : ops.mul(product, alpha);
  if (!bias) return scaled;
  return ops.add(scaled, beta === 1 ? bias : ops.mul(bias, beta));
}

export const matrices: Rules = {
  Gemm: gemm,
  MatMul: (c) => ops.matmul(c.tensor(0), c.tensor(1)),
};
