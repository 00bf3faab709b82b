import { TensorlaneError } from "../errors.ts";

/** A failure of an engine: a value that does not fit a port, or a message of ONNX Runtime. */
export class EngineError extends TensorlaneError {
  override readonly name = "EngineError";
}

export function releasedBinding(label: string): string {
  return `${label}: run() on a released binding; bind the memory again.`;
}

export function busyBinding(label: string): string {
  return (
    `${label}: run() while this binding is running already; await the first run, or make a second ` +
    "binding over other memory."
  );
}
