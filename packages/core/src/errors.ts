/** Every error that Tensorlane raises on purpose: says what was received and what to do. */
export class TensorlaneError extends Error {
  override readonly name: string = "TensorlaneError";
}
