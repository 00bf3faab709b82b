import { nn, ops, type Tensor } from "tensorlane";
import type { Keywords } from "../keywords.ts";
import type { Kind } from "./kind.ts";

/** `reduction`, or PyTorch's older pair of flags that stands for it (and overrides it). */
function reduction(k: Keywords): "mean" | "sum" | "none" {
  const named = k.choice("reduction", ["mean", "sum", "none"], "mean");
  const [average, reduce] = [k.raw("size_average") ?? null, k.raw("reduce") ?? null];
  if (average === null && reduce === null) return named;
  if (reduce === false) return "none";
  return average === false ? "sum" : "mean";
}

type Elementwise = (x: Tensor, target: Tensor, k: Keywords) => Tensor;

/** PyTorch warns when input and target differ in shape, and broadcasts; ours refuses. */
const broadcast =
  (loss: Elementwise): Kind =>
  (t, k) => {
    const [x, target] = [t.get("x"), t.get("target")];
    const { shape } = x.add(target);
    return { y: loss(ops.expand(x, shape), ops.expand(target, shape), k) };
  };

export const losses: Readonly<Record<string, Kind>> = {
  cross_entropy: (t, k) => ({
    y: nn.crossEntropy(t.get("x"), t.get("target"), {
      weight: t.optional("class_weight"),
      ignoreIndex: k.number("ignore_index"),
      labelSmoothing: k.number("label_smoothing", 0),
      reduction: reduction(k),
    }),
  }),
  nll_loss: (t, k) => ({
    y: nn.nllLoss(t.get("x"), t.get("target"), {
      weight: t.optional("class_weight"),
      ignoreIndex: k.number("ignore_index"),
      reduction: reduction(k),
    }),
  }),
  mse_loss: broadcast((x, y, k) => nn.mseLoss(x, y, { reduction: reduction(k) })),
  l1_loss: broadcast((x, y, k) => nn.l1Loss(x, y, { reduction: reduction(k) })),
  smooth_l1_loss: broadcast((x, y, k) =>
    nn.smoothL1Loss(x, y, { beta: k.number("beta", 1), reduction: reduction(k) }),
  ),
  huber_loss: broadcast((x, y, k) =>
    nn.huberLoss(x, y, { delta: k.number("delta", 1), reduction: reduction(k) }),
  ),
  binary_cross_entropy_with_logits: (t, k) => ({
    y: nn.bceWithLogits(t.get("x"), t.get("target"), {
      // The cases' name for the loss's `weight`.
      weight: t.optional("class_weight"),
      posWeight: t.optional("pos_weight"),
      reduction: reduction(k),
    }),
  }),
};
