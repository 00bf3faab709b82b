import { TensorlaneError } from "../errors.ts";

/**
 * Why data could not be had. `unreachable`: no network or no answer; `offline`: the network was ruled out;
 * `missing`: nothing to take it from; `hash`, `size`: wrong content; `http`: the server refused; `busy`:
 * another process is at it.
 */
export type DataErrorCode =
  | "unreachable"
  | "offline"
  | "missing"
  | "hash"
  | "size"
  | "http"
  | "busy";

/** A data set that could not be had; the message says what to do. */
export class DataError extends TensorlaneError {
  override readonly name = "DataError";
  readonly code: DataErrorCode;

  constructor(code: DataErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
