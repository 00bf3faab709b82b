import * as sizes from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { type Pair, spanOf } from "../../graph/ops/window.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Call } from "../call.ts";
import { OnnxImportError } from "../error.ts";

/** Windows over the image's two axes. */
export interface Windows {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  /** [top, left, bottom, right] */
  readonly pads: readonly number[];
}

/** Windows over any number of axes, each with what lies before and after it. */
interface AnyWindows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The attributes that convolutions and pools share. */
function windowsOf(c: Call, x: Tensor, kernel: readonly number[]): AnyWindows {
  const rank = x.rank - 2;
  const ones = new Array<number>(rank).fill(1);
  const strides = c.ints("strides") ?? ones;
  const dilations = c.ints("dilations") ?? ones;
  const given = c.ints("pads") ?? new Array<number>(2 * rank).fill(0);
  const auto = c.text("auto_pad", "NOTSET");
  c.require("auto_pad", auto, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER");
  const lists = [kernel, strides, dilations];
  const whole = [...kernel, ...strides, ...dilations, ...given];
  if (
    lists.some((list) => list.length !== rank) ||
    given.length !== 2 * rank ||
    whole.some((n) => !Number.isSafeInteger(n))
  ) {
    throw new OnnxImportError(
      `kernel [${kernel}], strides [${strides}], dilations [${dilations}] and pads [${given}] ` +
        `do not fit the ${rank} image axes of [${x.shape.join(", ")}]`,
    );
  }
  if (!auto.startsWith("SAME")) {
    const pads = auto === "VALID" ? given.map(() => 0) : given;
    return { kernel, strides, dilations, before: pads.slice(0, rank), after: pads.slice(rank) };
  }
  const total = kernel.map((k, i) => {
    const [size] = ops.requireStatic("auto_pad", [x.shape[2 + i]]);
    const covered = (Math.ceil(size / strides[i]) - 1) * strides[i] + spanOf(k, dilations[i]);
    return Math.max(0, covered - size);
  });
  const less = total.map((n) => Math.floor(n / 2));
  const more = total.map((n) => Math.ceil(n / 2));
  const [before, after] = auto === "SAME_UPPER" ? [less, more] : [more, less];
  return { kernel, strides, dilations, before, after };
}

/** Runs an operator on images (N, C, H, W) also on what can be seen as such: sequences, thin volumes. */
export function onImages(
  c: Call,
  x: Tensor,
  kernel: readonly number[],
  run: (image: Tensor, windows: Windows) => Tensor,
): Tensor {
  const own = windowsOf(c, x, kernel);
  const over = (i: number, j: number): Windows => ({
    kernel: [own.kernel[i], own.kernel[j] ?? 1],
    strides: [own.strides[i], own.strides[j] ?? 1],
    dilations: [own.dilations[i], own.dilations[j] ?? 1],
    pads: [own.before[i], own.before[j] ?? 0, own.after[i], own.after[j] ?? 0],
  });
  if (x.rank === 3) return ops.squeeze(run(ops.unsqueeze(x, 3), over(0, 1)), 3);
  if (x.rank === 4) return run(x, over(0, 1));
  // A third axis over which nothing happens joins another.
  const isIdle = (i: number) =>
    own.kernel[i] === 1 && own.strides[i] === 1 && own.before[i] === 0 && own.after[i] === 0;
  const [n, channels, d, h, w] = x.shape;
  if (x.rank === 5 && isIdle(1) && isIdle(2)) {
    const y = run(ops.reshape(x, [n, channels, d, sizes.multiply(h, w)]), over(0, 1));
    return ops.reshape(y, [n, channels, y.shape[2], h, w]);
  }
  if (x.rank === 5 && isIdle(0)) {
    const y = run(ops.reshape(x, [n, sizes.multiply(channels, d), h, w]), over(1, 2));
    return ops.reshape(y, [n, channels, d, y.shape[2], y.shape[3]]);
  }
  throw new OnnxImportError(
    `windows [${kernel}] over the ${x.rank - 2} image axes of [${x.shape.join(", ")}] ` +
      "are not read; there are operators for one and two",
  );
}

/** Windows without padding over the image padded beforehand. */
export function padded(
  x: Tensor,
  { pads, ...rest }: Windows,
  value: number,
): readonly [Tensor, Windows] {
  const [top, left, bottom, right] = pads;
  return [ops.pad(x, [left, right, top, bottom], value), { ...rest, pads: [0, 0, 0, 0] }];
}

/** Padding that is equal on opposite sides; undefined otherwise. */
export const symmetric = ({ pads }: Windows): Pair | undefined =>
  pads[0] === pads[2] && pads[1] === pads[3] ? [pads[0], pads[1]] : undefined;
