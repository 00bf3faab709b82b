import type { Call } from "../call.ts";
import type { Value } from "../known.ts";

/**
 * What an ONNX operator means in ours: reads its node's inputs and attributes, gives its outputs. Gradients
 * come with the operators it is written in.
 */
export type Rule = (call: Call) => Value | readonly (Value | undefined)[];
/** Rules by `op_type`. */
export type Rules = Readonly<Record<string, Rule>>;
