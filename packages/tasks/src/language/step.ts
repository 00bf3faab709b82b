import { type Binding, Dim, defaultEngine, type Executable, onnx, type Value } from "tensorlane";
import type { LanguageModel } from "./model.ts";
import { checkSampling, pick, probabilities, type Sampling } from "./sampler.ts";

/**
 * The model as an ONNX file that goes on step by step: `tokens` (batch, time) int32 and the states before
 * them (`h0`, `c0`, ... (batch, units)) -> `logits` (time, batch, V) and the states after (`state.h0`, ...).
 * Sizes may be fixed for speed.
 */
export function exportStep(
  model: LanguageModel,
  {
    batch = new Dim("batch"),
    time = new Dim("time"),
  }: { batch?: number | Dim; time?: number | Dim },
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const states = Object.entries(model.stateSizes()).map(
    ([name, size]) => [name, { shape: [batch, size] }] as const,
  );
  return onnx.exportModel(model, {
    name: "language_model",
    inputs: { tokens: { shape: [batch, time], dtype: "int32" }, ...Object.fromEntries(states) },
    forward: ({ tokens, ...state }) => ({ ...model.forward(tokens!, state) }),
    metadata,
  });
}

/** A side of the pair of state buffers: reads one, writes the other. */
interface Turn {
  readonly binding: Binding;
  readonly state: Readonly<Record<string, Value>>;
}

/**
 * A language model that takes one token for each of `rows` texts at a time. The weights are constants of
 * the compiled graph, so a step copies nothing: two sets of states take turns as input and output.
 *
 * @example
 * const step = await StepModel.create(model);
 * const logits = await step.next([7]); // of the token after 7
 */
export class StepModel {
  readonly rows: number;
  readonly vocabulary: number;
  readonly #executable: Executable;
  readonly #tokens: Int32Array;
  readonly #logits: Float32Array;
  readonly #turns: readonly [Turn, Turn];
  #turn = 0;

  private constructor(executable: Executable, rows: number, model: LanguageModel) {
    const vocabulary = model.options.tokens;
    this.rows = rows;
    this.vocabulary = vocabulary;
    this.#executable = executable;
    this.#tokens = new Int32Array(new ArrayBuffer(4 * rows));
    this.#logits = floats(rows * vocabulary);
    const [a, b] = [memory(model, rows), memory(model, rows)];
    const turn = (before: States, after: States): Turn => ({
      state: before,
      binding: executable.bind({
        inputs: {
          tokens: {
            dtype: "int32",
            shape: [rows, 1],
            data: this.#tokens as Int32Array<ArrayBuffer>,
          },
          ...before,
        },
        outputs: {
          logits: { dtype: "float32", shape: [1, rows, vocabulary], data: this.#logits },
          ...Object.fromEntries(Object.entries(after).map(([name, v]) => [`state.${name}`, v])),
        },
      }),
    });
    this.#turns = [turn(a, b), turn(b, a)];
  }

  /** Compiles a model as it is now; later training does not change it. */
  static async create(model: LanguageModel, rows = 1): Promise<StepModel> {
    const bytes = await exportStep(model, { batch: rows, time: 1 });
    const engine = await defaultEngine();
    const executable = await engine.compile(bytes, { label: "language model, one step" });
    return new StepModel(executable, rows, model);
  }

  /** Takes a token for each row: logits (rows, V) of the next ones, overwritten by the next call. */
  async next(tokens: ArrayLike<number>): Promise<Float32Array> {
    this.#tokens.set(tokens);
    await this.#turns[this.#turn]!.binding.run();
    this.#turn = 1 - this.#turn;
    return this.#logits;
  }

  /** Lets row i go on from where row `parents[i]` is, as a beam search does. */
  reorder(parents: readonly number[]): void {
    for (const { shape, data } of Object.values(this.#turns[this.#turn]!.state)) {
      const size = shape[1]!;
      const before = (data as Float32Array).slice();
      for (const [row, parent] of parents.entries()) {
        const from = before.subarray(parent * size, (parent + 1) * size);
        (data as Float32Array).set(from, row * size);
      }
    }
  }

  /** Back to the states before the first token. */
  reset(): void {
    for (const { data } of Object.values(this.#turns[this.#turn]!.state)) {
      (data as Float32Array).fill(0);
    }
  }

  release(): void {
    this.#executable.release();
  }
}

type States = Readonly<Record<string, Value>>;

/** ONNX Runtime keeps pointers: memory of its own, which does not move. */
const floats = (size: number) => new Float32Array(new ArrayBuffer(4 * size));

const memory = (model: LanguageModel, rows: number): States =>
  Object.fromEntries(
    Object.entries(model.stateSizes()).map(([name, size]) => [
      name,
      { dtype: "float32", shape: [rows, size], data: floats(rows * size) },
    ]),
  );

export interface GenerateOptions extends Sampling {
  /** Tokens that the text begins with; at least one. */
  readonly prompt: ArrayLike<number>;
  readonly length: number;
  /** Draws uniform numbers in (0, 1). */
  readonly uniform: () => number;
  /** Ends the text after the token that runs. */
  readonly signal?: AbortSignal;
}

/** Tokens that follow a prompt, drawn one by one. */
export async function* generate(
  step: StepModel,
  { prompt, length, uniform, signal, ...sampling }: GenerateOptions,
): AsyncGenerator<number> {
  checkSampling(sampling);
  step.reset();
  let logits: Float32Array | undefined;
  for (let i = 0; i < prompt.length; i++) logits = await step.next([prompt[i]!]);
  for (let made = 0; made < length && !signal?.aborted; made++) {
    const token = pick(probabilities(logits!, sampling), uniform());
    yield token;
    if (made + 1 < length) logits = await step.next([token]);
  }
}
