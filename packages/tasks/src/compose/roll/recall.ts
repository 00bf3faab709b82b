import { nn, ops, type Tensor } from "tensorlane";

export interface RecallOptions {
  /** Units of the state that asks, H. */
  readonly units: number;
  /** Size of what is recalled, K. */
  readonly size: number;
  /** Steps that are remembered, M. */
  readonly steps: number;
}

/** Units in which states are compared. */
const COMPARED = 64;

/** What cannot be recalled gets no weight behind the softmax. */
const NOWHERE = -1e9;

/**
 * Recalls what came next when a recurrent network was last in a state like this one: attention over the pairs of
 * (state before a step, what the step brought), as in the continuous cache of Grave et al. 2017, with the comparison
 * learnt. Music repeats its parts; a state of some hundred units does not hold them note by note.
 *
 * @example
 * const recall = new Recall({ units: 256, size: 88, steps: 256 });
 * const { recalled, memory } = recall.forward(h, x, past); // (N, T, 256), (N, T, 88)
 */
export class Recall extends nn.Module {
  readonly options: RecallOptions;
  readonly query: nn.Linear;
  readonly key: nn.Linear;

  constructor(options: RecallOptions) {
    super();
    this.options = options;
    const linear = { inFeatures: options.units, outFeatures: COMPARED, bias: false };
    this.query = new nn.Linear(linear);
    this.key = new nn.Linear(linear);
  }

  /** Numbers that the memory of a row takes: of each step the state's key, what came, and whether it is filled. */
  get memorySize(): number {
    return this.options.steps * this.#pairSize;
  }

  get #pairSize(): number {
    return COMPARED + this.options.size + 1;
  }

  /**
   * States h (N, T, H) after each step, what each brought (N, T, K), the state before the first (N, H) and the memory
   * of the steps before (N, memorySize), zeros at first -> what is recalled (N, T, K), and the memory after.
   */
  forward(
    h: Tensor,
    brought: Tensor,
    { before, memory }: { readonly before: Tensor; readonly memory: Tensor },
  ): { readonly recalled: Tensor; readonly memory: Tensor } {
    const { steps, size } = this.options;
    const [n, t] = h.shape;
    const [states] = ops.split(ops.concat([ops.unsqueeze(before, 1), h], 1), [t, 1], 1);
    const pairs = ops.concat([this.key.forward(states), brought, ops.ones([n, t, 1])], 2);
    const all = ops.concat([ops.reshape(memory, [n, steps, this.#pairSize]), pairs], 1);
    const [keys, values, filled] = ops.split(all, [COMPARED, size, 1], 2);
    const scores = ops.matmul(this.query.forward(h), ops.transpose(keys, 1, 2));
    // A step sees the last pairs up to its own, in whatever portions it is computed.
    const asks = ops.cumsum(ops.ones([t, 1]), 0);
    const place = ops.cumsum(ops.ones([1, all.shape[1]]), 1);
    const past = ops.logicalAnd(
      ops.lessEqual(place, ops.add(asks, steps)),
      ops.greater(place, asks),
    );
    const known = ops.greater(ops.transpose(filled, 1, 2), 0.5);
    const weights = ops.softmax(ops.where(ops.logicalAnd(past, known), scores, NOWHERE), -1);
    const [, latest] = ops.split(all, [t, steps], 1);
    return {
      recalled: ops.matmul(weights, values),
      memory: ops.reshape(latest, [n, this.memorySize]),
    };
  }
}
