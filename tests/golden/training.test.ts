import { evaluate, gradients, nn, optim, Parameter, type Tensor, tensor } from "tensorlane";
import { describe, expect, test } from "vitest";
import { type Json, readJson } from "./files.ts";
import { Fill } from "./fill.ts";
import { Keywords } from "./keywords.ts";
import { makeOptimizer, type TrainingState, update } from "./optimizers.ts";
import { whyPending } from "./pending.ts";
import { expectClose, trainingTolerance } from "./tolerance.ts";

interface Case {
  readonly name: string;
  readonly task: string;
  readonly net?: string;
  readonly batch: number;
  readonly hidden?: number;
  readonly steps: number;
  readonly optimizer: string;
  readonly config: Readonly<Record<string, Json>>;
  readonly clip_norm?: number;
  readonly parameters: number;
  readonly state: readonly (readonly [name: string, shape: readonly number[]])[];
  readonly losses: readonly number[];
  readonly grad_norms: readonly number[];
  readonly float32_error: readonly number[];
}
interface Task {
  readonly model: nn.Module;
  readonly loss: Tensor;
}

const { salt, cases } = readJson<{ salt: string; cases: readonly Case[] }>("training.json");
const fill = new Fill(salt);

/** The numbers of a case by name; fails on fields that no task reads. */
function fields(golden: Case, ...names: readonly string[]): number[] {
  const known = new Set([
    ...["name", "task", "batch", "steps", "optimizer", "config", "clip_norm", "parameters"],
    ...["state", "losses", "grad_norms", "float32_error"],
    ...names,
  ]);
  const unknown = Object.keys(golden).filter((name) => !known.has(name));
  expect(unknown, `fields of task ${golden.task} that nobody knows`).toEqual([]);
  return names.map((name) => {
    const value = (golden as unknown as Record<string, unknown>)[name];
    expect(value, name).toBeTypeOf("number");
    return value as number;
  });
}

class LanguageModel extends nn.Module {
  readonly embedding: nn.Embedding;
  readonly lstm: nn.LSTM;
  readonly head: nn.Linear;

  constructor(vocabulary: number, width: number, hidden: number, layers: number) {
    super();
    this.embedding = new nn.Embedding({ numEmbeddings: vocabulary, embeddingDim: width });
    const sizes = { inputSize: width, hiddenSize: hidden, numLayers: layers };
    this.lstm = new nn.LSTM({ ...sizes, batchFirst: true });
    this.head = new nn.Linear({ inFeatures: hidden, outFeatures: vocabulary });
  }

  forward(tokens: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(this.embedding.forward(tokens)).output);
  }
}

class SeriesRegressor extends nn.Module {
  readonly gru: nn.GRU;
  readonly head: nn.Linear;

  constructor(hidden: number, stepsOut: number) {
    super();
    this.gru = new nn.GRU({ inputSize: 1, hiddenSize: hidden, batchFirst: true });
    this.head = new nn.Linear({ inFeatures: hidden, outFeatures: stepsOut });
  }

  forward(x: Tensor): Tensor {
    return this.head.forward(this.gru.forward(x).output.select(-1, 1));
  }
}

const tasks: Readonly<Record<string, (golden: Case) => Task>> = {
  language_model: (golden) => {
    const names = ["vocabulary", "width", "hidden", "layers", "length"];
    const [vocabulary, width, hidden, layers, length] = fields(golden, ...names);
    const model = new LanguageModel(vocabulary, width, hidden, layers);
    const shape = [golden.batch, length + 1];
    const tokens = tensor(fill.labels("tokens", shape, vocabulary), shape);
    const scores = model.forward(tokens.slice([null, [0, -1]])).flatten(0, 1);
    return { model, loss: nn.crossEntropy(scores, tokens.slice([null, [1]]).flatten()) };
  },
  series_regressor: (golden) => {
    const [hidden, stepsIn, stepsOut] = fields(golden, "hidden", "steps_in", "steps_out");
    const model = new SeriesRegressor(hidden, stepsOut);
    const [into, out] = [
      [golden.batch, stepsIn, 1],
      [golden.batch, stepsOut],
    ];
    const x = tensor(fill.values("input", into), into);
    const target = tensor(fill.values("target", out), out);
    return { model, loss: nn.mseLoss(model.forward(x), target) };
  },
};

/** Every step of the run: the same graph, with the state that the step before left behind. */
async function train(golden: Case): Promise<{ losses: number[]; norms: number[] }> {
  const make = tasks[golden.task];
  if (!make) throw new Error(`task ${golden.task} is not known to this suite`);
  const { model, loss } = make(golden);
  const own = [...model.stateDict()].map(([name, { shape }]) => [name, shape]);
  expect(own, "state").toEqual(golden.state);
  const values = golden.state.map(([name, shape]) => {
    return [name, { shape, data: fill.parameter(name, shape, golden.hidden) }] as const;
  });
  model.train().loadStateDict(new Map(values));
  const parameters = model.parameters();
  const count = parameters.reduce((sum, { data }) => sum + data.length, 0);
  expect(count, "parameters").toBe(golden.parameters);

  const optimizer = makeOptimizer(golden.optimizer, new Keywords(golden.optimizer, golden.config));
  const slots = parameters.map(({ shape, data }) =>
    Object.fromEntries(
      optimizer.slots.map(({ name, initial }) => [
        name,
        new Parameter(new Float32Array(data.length).fill(initial), shape),
      ]),
    ),
  );
  const step = new Parameter(new Float32Array(1), []);
  const grads = gradients(loss, parameters);
  const { clipped, totalNorm } = optim.clipGradNorm(grads, golden.clip_norm ?? Infinity);
  const next = update(optimizer, { parameters, slots }, clipped, step);
  const flat = ({ parameters, slots }: TrainingState) => [
    ...parameters,
    ...slots.flatMap((own) => optimizer.slots.map(({ name }) => own[name])),
  ];
  const [losses, norms]: number[][] = [[], []];
  for (let k = 1; k <= golden.steps; k++) {
    step.data[0] = k;
    const [l, norm, ...after] = await evaluate([loss, totalNorm, ...flat(next)]);
    losses.push(Number(l.data[0]));
    norms.push(Number(norm.data[0]));
    for (const [i, leaf] of flat({ parameters, slots }).entries()) {
      (leaf as Parameter).data = after[i].data;
    }
  }
  return { losses, norms };
}

describe("training", () => {
  test.for(cases)("$name", async (golden, { skip }) => {
    const reason = golden.net && whyPending("nets", golden.net);
    if (reason) skip(reason);
    const { losses, norms } = await train(golden);
    expect(losses.length, "steps").toBe(golden.losses.length);
    for (const [k, expected] of golden.losses.entries()) {
      const limit = trainingTolerance(golden.float32_error, k);
      expectClose(`loss of step ${k}`, [losses[k]], [expected], limit.loss);
      expectClose(`norm of step ${k}`, [norms[k]], [golden.grad_norms[k]], limit.norm);
    }
  });
});
