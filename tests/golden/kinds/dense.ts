import { ops } from "tensorlane";
import type { Kind } from "./kind.ts";

export const dense: Readonly<Record<string, Kind>> = {
  linear: (t) => {
    const [x, weight, bias] = [t.get("x"), t.get("weight"), t.optional("bias")];
    // PyTorch also takes one row of weights: (…, in) -> (…).
    if (weight.rank === 1) {
      const y = x.matmul(weight);
      return { y: bias ? y.add(bias) : y };
    }
    return { y: ops.linear(x, weight, bias) };
  },
  embedding: (t, k) => {
    // `sparse` only changes how PyTorch stores the gradient.
    k.ignore("sparse");
    const y = ops.embedding(t.get("tokens"), t.get("weight"), {
      paddingIdx: k.number("padding_idx"),
      maxNorm: k.number("max_norm"),
      normType: k.number("norm_type", 2),
      scaleGradByFreq: k.boolean("scale_grad_by_freq", false),
    });
    return { y };
  },
  layer_norm: (t, k) => {
    const [x, weight, bias] = [t.get("x"), t.get("weight"), t.get("bias")];
    const normalized = k.numberOrNumbers("normalized_shape");
    const shape = typeof normalized === "number" ? [normalized] : (normalized ?? []);
    if (String(shape) !== String(weight.shape)) k.fail("normalized_shape", "the weight's shape");
    return { y: ops.layerNorm(x, weight, bias, k.number("eps", 1e-5)) };
  },
};
