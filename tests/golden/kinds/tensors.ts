import { ops, type Tensor } from "tensorlane";
import type { Json } from "../files.ts";
import type { Keywords } from "../keywords.ts";
import type { Kind } from "./kind.ts";

/** PyTorch promotes integers to the float operand's type. */
const promoted = (a: Tensor, b: Tensor): [Tensor, Tensor] =>
  a.dtype === b.dtype ? [a, b] : [a.cast("float32"), b.cast("float32")];

const binary =
  (run: (a: Tensor, b: Tensor, k: Keywords) => Tensor): Kind =>
  (t, k) => ({ y: run(...promoted(t.get("a"), t.get("b")), k) });

const scaled = (b: Tensor, k: Keywords): Tensor => {
  const alpha = k.number("alpha", 1);
  return alpha === 1 ? b : b.mul(alpha);
};

const quotient = (a: Tensor, b: Tensor, k: Keywords): Tensor => {
  const exact = a.div(b);
  if (k.raw("rounding_mode") == null) return exact;
  const mode = k.choice("rounding_mode", ["trunc", "floor"], "trunc");
  return mode === "floor" ? ops.floor(exact) : ops.trunc(exact);
};

/** `dim` (NumPy's `axis` also passes) and `keepdim`; an empty list means all axes, as in PyTorch 1.13. */
function over(k: Keywords): { dim?: number | readonly number[]; keepdim: boolean } {
  const dim = k.numberOrNumbers("dim") ?? k.numberOrNumbers("axis");
  const keepdim = k.boolean("keepdim", k.boolean("keepdims", false));
  return typeof dim === "object" && dim.length === 0 ? { keepdim } : { dim, keepdim };
}

const reduction =
  (run: (x: Tensor, options: ReturnType<typeof over>, k: Keywords) => Tensor): Kind =>
  (t, k) => ({ y: run(t.get("x"), over(k), k) });

/** Python's slice(stop), slice(start, stop) and slice(start, stop, step). */
function range(bounds: Json): [number | null, number | null, number | null] {
  const list = bounds as readonly (number | null)[];
  const [start, stop = null, step = null] = list.length === 1 ? [null, list[0]] : list;
  return [start, stop, step];
}

export const tensors: Readonly<Record<string, Kind>> = {
  matmul: binary((a, b) => a.matmul(b)),
  add: binary((a, b, k) => a.add(scaled(b, k))),
  sub: binary((a, b, k) => a.sub(scaled(b, k))),
  mul: binary((a, b) => a.mul(b)),
  div: binary(quotient),
  maximum: binary((a, b) => a.maximum(b)),
  minimum: binary((a, b) => a.minimum(b)),
  sum: reduction((x, options) => x.sum(options)),
  mean: reduction((x, options) => x.mean(options)),
  amax: reduction((x, options) => x.amax(options)),
  var: reduction((x, options, k) => {
    const unbiased = k.boolean("unbiased", true);
    return x.variance({ ...options, correction: k.number("correction", Number(unbiased)) });
  }),
  max_with_indices: (t, k) => {
    const { dim, keepdim } = over(k);
    const { values, indices } = ops.max(t.get("x"), Number(dim), keepdim);
    return { y: values, indices };
  },
  cat: (t, k) => {
    const parts = ["a", "b", "c"].flatMap((name) => t.optional(name) ?? []);
    return { y: ops.concat(parts, k.number("dim", 0)) };
  },
  split: (t, k) => {
    const sizes = k.numberOrNumbers("split_size_or_sections") as number | readonly number[];
    const parts = t.get("x").split(sizes, k.number("dim", 0));
    return Object.fromEntries(parts.map((part, i) => [`y${i}`, part]));
  },
  slice: (t, k) => {
    const slices = k.raw("slices") as readonly Json[];
    return { y: t.get("x").slice(slices.map(range)) };
  },
  pad: (t, k) => {
    const mode = k.choice("mode", ["constant", "reflect", "replicate", "circular"], "constant");
    const value = k.number("value", 0);
    return { y: t.get("x").pad(k.numbers("pad") ?? [], { mode, value }) };
  },
  transpose: (t, k) => ({ y: t.get("x").transpose(k.number("dim0", 0), k.number("dim1", 1)) }),
  permute: (t, k) => ({ y: t.get("x").permute(k.numbers("dims") ?? []) }),
  gather: (t, k) => ({ y: t.get("x").gather(k.number("dim", 0), t.get("index")) }),
  where: (t) => ({ y: ops.where(t.get("mask"), ...promoted(t.get("a"), t.get("b"))) }),
  clamp: (t, k) => ({ y: t.get("x").clamp({ min: k.number("min"), max: k.number("max") }) }),
};
