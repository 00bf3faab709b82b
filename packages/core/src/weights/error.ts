import { TensorlaneError } from "../errors.ts";

/** A file of weights that cannot be read: broken, of another kind, or asking for more than reading. */
export class WeightsError extends TensorlaneError {
  override readonly name = "WeightsError";
}
