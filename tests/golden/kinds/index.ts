import { activations } from "./activations.ts";
import { dense } from "./dense.ts";
import { images } from "./images.ts";
import type { Kind } from "./kind.ts";
import { losses } from "./losses.ts";
import { recurrent } from "./recurrent.ts";
import { tensors } from "./tensors.ts";

/** Every kind that this library has. */
export const kinds: Readonly<Record<string, Kind | undefined>> = {
  ...dense,
  ...activations,
  ...images,
  ...losses,
  ...recurrent,
  ...tensors,
};
