import { TensorlaneError } from "../errors.ts";

/** An ONNX file that cannot be imported, or an imported graph that cannot be run as asked. */
export class OnnxImportError extends TensorlaneError {
  override readonly name = "OnnxImportError";
}
