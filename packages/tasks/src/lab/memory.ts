import { data, nn, ops, optim, type Tensor } from "tensorlane";
import type { Bench, Curve, Training } from "./bench.ts";

export type CellName = "tanh" | "irnn" | "lstm" | "gru";
export type Problem = "adding" | "copy";

export const cellTitles: Readonly<Record<CellName, string>> = {
  tanh: "tanh RNN",
  irnn: "ReLU RNN from the identity",
  lstm: "LSTM",
  gru: "GRU",
};

/** What all trainings on these problems share. */
export type MemoryPlan = {
  readonly hidden: number;
  readonly batch: number;
  readonly lr: number;
  /** Sequences to train on and to evaluate on. */
  readonly samples: number;
  readonly heldSamples: number;
  /** Steps between two evaluations, and evaluations at most. */
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  /** Of the copy problem: symbols to remember, and different ones. */
  readonly symbols: number;
  readonly alphabet: number;
};

type Recurrent = nn.RNN | nn.LSTM | nn.GRU;

/** A recurrent layer with the first weights that its paper gives it. */
function recurrentLayer(cell: CellName, inputSize: number, hiddenSize: number): Recurrent {
  const sizes = { inputSize, hiddenSize };
  if (cell === "tanh") return new nn.RNN(sizes);
  if (cell === "gru") return new nn.GRU(sizes);
  if (cell === "lstm") {
    const lstm = new nn.LSTM(sizes);
    nn.init.reset(lstm.parameter("bias_hh_l0")!, nn.init.zeros);
    nn.init.reset(lstm.parameter("bias_ih_l0")!, nn.init.forgetGate());
    return lstm;
  }
  const rnn = new nn.RNN({ ...sizes, nonlinearity: "relu" });
  nn.init.reset(rnn.parameter("weight_ih_l0")!, nn.init.normal(0, 0.001));
  nn.init.reset(rnn.parameter("weight_hh_l0")!, nn.init.identity);
  for (const name of ["bias_ih_l0", "bias_hh_l0"]) {
    nn.init.reset(rnn.parameter(name)!, nn.init.zeros);
  }
  return rnn;
}

export interface MemoryOptions {
  readonly problem: Problem;
  readonly cell: CellName;
  readonly hidden: number;
  readonly symbols: number;
  readonly alphabet: number;
  /** Gradients flow back within so many steps; the state is carried on. Without it through all. */
  readonly window?: number | undefined;
}

/** A recurrent layer and a linear one on its last states. */
export class MemoryNet extends nn.Module {
  readonly embedding?: nn.Embedding;
  readonly rnn: Recurrent;
  readonly head: nn.Linear;
  readonly #options: MemoryOptions;

  constructor(options: MemoryOptions) {
    super();
    const { problem, cell, hidden, alphabet } = options;
    const inputSize = problem === "adding" ? 2 : 16;
    if (problem === "copy") {
      this.embedding = new nn.Embedding({ numEmbeddings: alphabet + 2, embeddingDim: inputSize });
    }
    this.rnn = recurrentLayer(cell, inputSize, hidden);
    const outFeatures = problem === "adding" ? 1 : alphabet;
    this.head = new nn.Linear({ inFeatures: hidden, outFeatures });
    this.#options = options;
  }

  /** The answers of the last steps: one number (N, 1), or scores of symbols (symbols, N, alphabet). */
  forward(x: Tensor): Tensor {
    const { problem, symbols } = this.#options;
    const input = ops.transpose(this.embedding ? this.embedding.forward(x) : x, 0, 1);
    const output = this.#states(input);
    const steps = Number(output.shape[0]);
    if (problem === "adding") return this.head.forward(output.select(steps - 1, 0));
    return this.head.forward(output.slice([[steps - symbols, steps]]));
  }

  #states(input: Tensor): Tensor {
    const steps = Number(input.shape[0]);
    const { window = steps } = this.#options;
    const outputs: Tensor[] = [];
    let state: nn.RecurrentState | undefined;
    for (let from = 0; from < steps; from += window) {
      const part = input.slice([[from, Math.min(from + window, steps)]]);
      const next = this.rnn.forward(part, { state: state && held(state) });
      outputs.push(next.output);
      state = next.state;
    }
    return ops.concat(outputs, 0);
  }
}

/** The numbers of a state without its past. */
const held = ({ h, c }: nn.RecurrentState): nn.RecurrentState => ({
  h: ops.detach(h),
  ...(c && { c: ops.detach(c) }),
});

/** Squared error, or cross entropy and the part of symbols that are right, of the last steps. */
export function memoryLoss(
  problem: Problem,
  net: MemoryNet,
  { x, y }: Readonly<Record<string, Tensor>>,
) {
  const answers = net.forward(x!);
  if (problem === "adding") return { loss: nn.mseLoss(answers, y!) };
  const [symbols, batch, alphabet] = answers.shape.map(Number) as [number, number, number];
  const steps = Number(y!.shape[1]);
  const wanted = ops.transpose(y!.slice([null, [steps - symbols, steps]]), 0, 1);
  const [scores, targets] = [
    ops.reshape(answers, [symbols * batch, alphabet]),
    ops.reshape(wanted, [symbols * batch]),
  ];
  const guess = ops.cast(ops.argmax(scores, { dim: 1 }), "int32");
  const accuracy = ops.mean(ops.cast(ops.equal(guess, targets), "float32"));
  return { loss: nn.crossEntropy(scores, targets), metrics: { accuracy } };
}

/** Sequences of a problem; `length` is the number of steps (adding) or of the delay (copy). */
export function memorySet(
  problem: Problem,
  length: number,
  { symbols, alphabet }: Pick<MemoryPlan, "symbols" | "alphabet">,
  samples: number,
  seed: number,
): data.ArrayDataset {
  return problem === "adding"
    ? data.addingProblem({ steps: length, samples, seed })
    : data.copyProblem({ delay: length, samples, symbols, alphabet, seed });
}

export const SOLVED_MSE = 0.01;
export const SOLVED_ACCURACY = 0.99;

/** Whether the last evaluation counts as solved. */
export function isSolved({ after }: Pick<Curve, "after">): boolean {
  const { loss = [], accuracy } = after.held ?? {};
  return accuracy ? accuracy.at(-1)! >= SOLVED_ACCURACY : (loss.at(-1) ?? 1) < SOLVED_MSE;
}

export interface MemoryRun {
  readonly problem: Problem;
  readonly cell: CellName;
  readonly length: number;
  readonly window?: number;
  readonly clipNorm?: number;
  readonly optimizer?: optim.Optimizer;
  readonly name: string;
  readonly seed?: number;
  /** Goes on when the problem is solved. */
  readonly toTheEnd?: boolean;
  readonly inspect?: Training<MemoryNet>["inspect"];
}

/** Trains a network on a problem until it is solved or the steps are used up. */
export function trainMemory(bench: Bench, plan: MemoryPlan, run: MemoryRun): Promise<Curve> {
  const { problem, cell, length, window, name, clipNorm, toTheEnd, inspect } = run;
  const { hidden, batch, symbols, alphabet, stepsPerEpoch } = plan;
  const { seed = bench.seed } = run;
  const set = memorySet(problem, length, plan, plan.samples, seed);
  const held = memorySet(problem, length, plan, plan.heldSamples, seed + 1_000_003);
  return bench.train({
    ...{ name, seed, epochs: plan.epochs },
    model: () => new MemoryNet({ problem, cell, hidden, symbols, alphabet, window }),
    loss: (net, fields) => memoryLoss(problem, net, fields),
    optimizer: run.optimizer ?? new optim.Adam({ lr: plan.lr }),
    ...(clipNorm !== undefined && { clipNorm }),
    loader: new data.DataLoader(set, {
      ...{ batchSize: batch, shuffle: true, seed, dropLast: true },
      batchesPerEpoch: stepsPerEpoch,
    }),
    after: { held: new data.DataLoader(held, { batchSize: plan.heldSamples }) },
    ...(!toTheEnd && { reached: isSolved }),
    ...(inspect && { inspect }),
  });
}
