import { nn, ops } from "tensorlane";
import type { Keywords } from "../keywords.ts";
import type { Kind } from "./kind.ts";

type Pair = readonly [number, number];
/** One number, or one for each axis of an image. */
function pair(k: Keywords, name: string, fallback: number): number | Pair {
  const value = k.numberOrNumbers(name) ?? fallback;
  if (typeof value === "number") return value;
  if (value.length > 2 || value.length < 1) k.fail(name, "one number or two");
  return [value[0]!, value.at(-1)!];
}

const padding = (k: Keywords): number | Pair | "same" | "valid" =>
  typeof k.raw("padding") === "string"
    ? k.choice("padding", ["same", "valid"], "valid")
    : pair(k, "padding", 0);

const window = (k: Keywords) => {
  const stride = k.numberOrNumbers("stride");
  return {
    kernelSize: pair(k, "kernel_size", Number.NaN),
    // PyTorch also takes an empty list for "as large as the kernel".
    stride:
      stride === undefined || (stride as readonly number[]).length === 0
        ? null
        : pair(k, "stride", 1),
    padding: pair(k, "padding", 0),
    ceilMode: k.boolean("ceil_mode", false),
  };
};

export const images: Readonly<Record<string, Kind>> = {
  conv2d: (t, k) => ({
    y: ops.conv2d(t.get("x"), t.get("weight"), t.optional("bias"), {
      stride: pair(k, "stride", 1),
      padding: padding(k),
      dilation: pair(k, "dilation", 1),
      groups: k.number("groups", 1),
    }),
  }),
  conv_transpose2d: (t, k) => ({
    y: ops.convTranspose2d(t.get("x"), t.get("weight"), t.optional("bias"), {
      stride: pair(k, "stride", 1),
      padding: pair(k, "padding", 0),
      outputPadding: pair(k, "output_padding", 0),
      dilation: pair(k, "dilation", 1),
      groups: k.number("groups", 1),
    }),
  }),
  max_pool2d: (t, k) => {
    const options = { ...window(k), dilation: pair(k, "dilation", 1) };
    // The cases have one output.
    k.only({ return_indices: false });
    return { y: ops.maxPool2d(t.get("x"), options) };
  },
  avg_pool2d: (t, k) => ({
    y: ops.avgPool2d(t.get("x"), {
      ...window(k),
      countIncludePad: k.boolean("count_include_pad", true),
      divisorOverride: k.number("divisor_override"),
    }),
  }),
  adaptive_avg_pool2d: (t, k) => {
    const size = k.raw("output_size");
    const isSize = (n: unknown): n is number | null => n === null || typeof n === "number";
    if (typeof size === "number") return { y: ops.adaptiveAvgPool2d(t.get("x"), size) };
    if (!Array.isArray(size) || !size.every(isSize))
      return k.fail("output_size", "numbers or null");
    return { y: ops.adaptiveAvgPool2d(t.get("x"), [size[0]!, size.at(-1)!]) };
  },
  local_response_norm: (t, k) => ({
    y: ops.localResponseNorm(t.get("x"), {
      size: k.number("size", Number.NaN),
      alpha: k.number("alpha", 1e-4),
      beta: k.number("beta", 0.75),
      k: k.number("k", 1),
    }),
  }),
  batch_norm: (t, k) => {
    const training = k.boolean("training", false);
    const { y, runningMean, runningVar } = nn.batchNorm(t.get("x"), {
      runningMean: t.get("running_mean"),
      runningVar: t.get("running_var"),
      weight: t.get("weight"),
      bias: t.get("bias"),
      training,
      momentum: k.number("momentum", 0.1),
      eps: k.number("eps", 1e-5),
    });
    t.update("running_mean", runningMean!);
    t.update("running_var", runningVar!);
    return { y };
  },
};
