import type { Tensor } from "../tensor.ts";
import { cast, requireStatic } from "./create.ts";
import { equal, mul, sub } from "./elementwise.ts";
import { pad } from "./padding.ts";
import { every, spread } from "./window.ts";

/** Below every other number: what a max pool reads outside the image. */
export const LOWEST = -Infinity;

export interface Axis {
  readonly axis: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Along one axis: each window's gradient goes to its first element that equals the window's maximum. */
export function toFirst(x: Tensor, maxima: Tensor, grad: Tensor, along: Axis): Tensor {
  const { axis, taps, stride, dilation, before, after } = along;
  if (taps === 1 && stride === 1 && before === 0 && after === 0) return grad;
  const [size] = requireStatic("maxPool2d: the gradient", [x.shape[axis]]);
  const [count] = requireStatic("maxPool2d: the gradient", [maxima.shape[axis]]);
  const sides = (a: number, b: number) => [
    ...new Array<number>(2 * (x.rank - 1 - axis)).fill(0),
    a,
    b,
  ];
  const padded = pad(x, sides(before, after), LOWEST);
  const parts: { readonly offset: number; readonly part: Tensor }[] = [];
  let rest = grad;
  for (let tap = 0; tap < taps; tap++) {
    const offset = tap * dilation;
    // By products and differences: ONNX Runtime's Where takes twice as long as both. They are exact.
    const hits = cast(equal(every(padded, axis, offset, count, stride), maxima), "float32");
    const part = mul(rest, hits);
    parts.push({ offset, part });
    if (tap < taps - 1) rest = sub(rest, part);
  }
  return pad(spread(parts, axis, stride, size + before + after), sides(-before, -after));
}
