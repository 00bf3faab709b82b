import { ops, type Tensor } from "tensorlane";
import type { Keywords } from "../keywords.ts";
import type { Kind } from "./kind.ts";

/** A function of one tensor. */
const unary =
  (run: (x: Tensor, k: Keywords) => Tensor): Kind =>
  (t, k) => ({ y: run(t.get("x"), k.only({ inplace: false })) });

/** Without `dim` PyTorch (deprecated, with a warning) takes the first axis of 0, 1 and 3, else the second. */
const axis = (x: Tensor, k: Keywords): number =>
  k.ignore("_stacklevel").number("dim") ?? ([0, 1, 3].includes(x.rank) ? 0 : 1);

export const activations: Readonly<Record<string, Kind>> = {
  relu: unary((x) => ops.relu(x)),
  sigmoid: unary((x) => ops.sigmoid(x)),
  tanh: unary((x) => ops.tanh(x)),
  leaky_relu: unary((x, k) => ops.leakyRelu(x, k.number("negative_slope", 0.01))),
  softplus: unary((x, k) =>
    ops.softplus(x, { beta: k.number("beta", 1), threshold: k.number("threshold", 20) }),
  ),
  elu: unary((x, k) => ops.elu(x, k.number("alpha", 1))),
  gelu: unary((x, k) => ops.gelu(x, k.choice("approximate", ["none", "tanh"], "none"))),
  softmax: unary((x, k) => ops.softmax(x, axis(x, k))),
  log_softmax: unary((x, k) => ops.logSoftmax(x, axis(x, k))),
};
