import { TensorlaneError } from "../errors.ts";

/** A failure of an engine: a value that does not fit a port, or a message of ONNX Runtime. */
export class EngineError extends TensorlaneError {
  override readonly name = "EngineError";
}
