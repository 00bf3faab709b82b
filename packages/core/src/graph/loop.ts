import type { BodyForm, Lowering } from "../onnx/lowering.ts";
import type { Size } from "./dim.ts";
import type { Tensor } from "./tensor.ts";

/**
 * One step of a loop. `states` and `slices` are the tensors that stand for the carried state and for
 * this step's slices; anything else the step uses is read from outside the loop.
 */
export interface Body {
  /** Shared by scans over the same step, however many intermediates they keep. */
  readonly root: object;
  readonly states: readonly Tensor[];
  readonly slices: readonly Tensor[];
  readonly nextStates: readonly Tensor[];
  readonly results: readonly Tensor[];
}
export interface ScanAttrs extends Body {
  readonly length: Size;
  /** Runs from the last step to the first. */
  readonly reverse: boolean;
  /** Recompute intermediates in the backward pass instead of keeping them. */
  readonly recompute: boolean;
}

/** Emits the loop; an engine may give its body another form. */
export function lowerScan(
  onnx: Lowering,
  inputs: readonly string[],
  { states, slices, nextStates, results, reverse }: ScanAttrs,
  form?: BodyForm,
): readonly string[] {
  const body = onnx.subgraph(
    onnx.builder.unique("step"),
    [...states, ...slices],
    [...nextStates, ...results],
    form,
  );
  const direction = Number(reverse);
  return onnx.node(
    "Scan",
    inputs.slice(0, states.length + slices.length),
    {
      body,
      num_scan_inputs: slices.length,
      scan_input_directions: slices.map(() => direction),
      ...(results.length > 0 ? { scan_output_directions: results.map(() => direction) } : {}),
    },
    states.length + results.length,
  );
}
