import { scan } from "../../graph/ops/scan.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Call } from "../call.ts";
import { OnnxImportError } from "../error.ts";
import { asTensor, type Value } from "../known.ts";
import type { Rules } from "./rule.ts";

/** The branch that a known condition takes, as PyTorch writes `squeeze` of an axis of unknown size. */
function branch(c: Call): readonly Value[] {
  const [condition] = c.numbers(0);
  const [yes, no] = ["then_branch", "else_branch"];
  return condition === 0 ? c.branch(no, yes) : c.branch(yes, no);
}

/** A loop over the first axis, forwards or backwards in all its sequences. */
function loop(c: Call): readonly Tensor[] {
  const count = c.int("num_scan_inputs", 0);
  const stateCount = c.inputCount - count;
  const directions = [
    ...(c.ints("scan_input_directions") ?? [0]),
    ...(c.ints("scan_output_directions") ?? []),
  ];
  const axes = [...(c.ints("scan_input_axes") ?? []), ...(c.ints("scan_output_axes") ?? [])];
  if (new Set(directions).size > 1 || axes.some((axis) => axis !== 0)) {
    throw new OnnxImportError(
      `sequences of different directions [${directions}] or along other axes than the first ` +
        `[${axes}] are not read`,
    );
  }
  const inputs = c.values().map(asTensor);
  const { states, ys } = scan(
    inputs.slice(0, stateCount),
    inputs.slice(stateCount),
    (before, slices) => {
      const results = c.body("body", [...before, ...slices]).map(asTensor);
      return { states: results.slice(0, stateCount), ys: results.slice(stateCount) };
    },
    { reverse: directions[0] === 1 },
  );
  return [...states, ...ys];
}

export const control: Rules = { If: branch, Scan: loop };
