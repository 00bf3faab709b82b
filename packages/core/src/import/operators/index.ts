import { control } from "./control.ts";
import { elementwise } from "./elementwise.ts";
import { images } from "./images.ts";
import { matrices } from "./matrices.ts";
import { recurrent } from "./recurrent.ts";
import { reductions } from "./reductions.ts";
import type { Rules } from "./rule.ts";
import { shapes } from "./shapes.ts";

export type { Rule } from "./rule.ts";

/** Every ONNX operator that can be imported. */
export const operators: Rules = {
  ...elementwise,
  ...shapes,
  ...reductions,
  ...matrices,
  ...images,
  ...recurrent,
  ...control,
};
