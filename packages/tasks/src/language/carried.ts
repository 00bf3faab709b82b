import { nn, ops, type Tensor } from "tensorlane";
import type { LanguageModel, ModelState } from "./model.ts";

/**
 * A language model with the states that its streams have reached, as buffers: each training step goes on
 * where the one before it stopped (truncated back-propagation through time), and checkpoints hold them.
 */
export class CarriedModel extends nn.Module {
  readonly model: LanguageModel;
  readonly state: CarriedState;

  constructor(model: LanguageModel, rows: number) {
    super();
    this.model = model;
    this.state = new CarriedState(model.stateSizes(), rows);
  }

  /** Ids (N, T), the ids that follow (N, T), 0 (N, 1) where a stream begins anew -> loss. */
  forward(tokens: Tensor, targets: Tensor, keep: Tensor): Tensor {
    const { output, state } = this.model.read(tokens, this.state.forward(keep));
    this.state.update(state);
    return this.model.loss(output, targets);
  }
}

/** States by name, (N, units) each, as buffers that a training step reads and replaces. */
export class CarriedState extends nn.Module {
  readonly #buffers: ReadonlyMap<string, nn.Buffer>;

  constructor(sizes: Readonly<Record<string, number>>, rows: number) {
    super();
    this.#buffers = new Map(
      Object.entries(sizes).map(([name, size]) => {
        const zeros = new Float32Array(rows * size);
        return [name, new nn.Buffer(zeros, [rows, size])] as const;
      }),
    );
    Object.assign(this, Object.fromEntries(this.#buffers));
  }

  forward(keep: Tensor): ModelState {
    const entries = [...this.#buffers].map(
      ([name, buffer]) => [name, ops.mul(buffer, keep)] as const,
    );
    return Object.fromEntries(entries);
  }

  update(next: ModelState): void {
    for (const [name, buffer] of this.#buffers) nn.updateBuffer(buffer, next[name]!);
  }
}
