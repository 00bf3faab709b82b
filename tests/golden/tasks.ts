import { nn, type Tensor } from "tensorlane";
import { expect } from "vitest";
import type { Json, Stored } from "./files.ts";
import type { Fill } from "./fill.ts";
import { makeNet, type NetCase } from "./nets.ts";

export interface Case extends NetCase {
  readonly name: string;
  readonly task: string;
  readonly batch: number;
  readonly hidden?: number;
  readonly steps: number;
  readonly optimizer: string;
  readonly config: Readonly<Record<string, Json>>;
  readonly clip_norm?: number;
  readonly losses: readonly number[];
  readonly grad_norms: readonly number[];
  readonly float32_error: readonly number[];
}
/** A model and its one batch; `loss` reads the batch's fields, all of them (batch, …). */
export interface Task {
  readonly model: nn.Module;
  readonly batch: Readonly<Record<string, Stored>>;
  readonly loss: (fields: Readonly<Record<string, Tensor>>) => Tensor;
}

/** Fails on fields that the task does not read. */
function knowOnly(golden: Case, names: readonly string[]): void {
  const known = new Set([
    ...["name", "task", "batch", "steps", "optimizer", "config", "clip_norm", "parameters"],
    ...["state", "losses", "grad_norms", "float32_error"],
    ...names,
  ]);
  const unknown = Object.keys(golden).filter((name) => !known.has(name));
  expect(unknown, `fields of task ${golden.task} that nobody knows`).toEqual([]);
}

/** The numbers of a case by name. */
function fields(golden: Case, ...names: readonly string[]): number[] {
  knowOnly(golden, names);
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

const tasks: Readonly<Record<string, (golden: Case, fill: Fill) => Task>> = {
  classifier: (golden, fill) => {
    knowOnly(golden, ["net", "options", "classes", "input"]);
    const { input, classes } = golden as { readonly input?: readonly number[]; classes?: number };
    if (!input || !classes) throw new Error("a classifier needs input and classes");
    const model = makeNet(golden, fill);
    const [images, labels] = [[golden.batch, ...input], [golden.batch]];
    return {
      model,
      batch: {
        input: { shape: images, data: fill.values("input", images) },
        labels: { shape: labels, data: fill.labels("labels", labels, classes) },
      },
      loss: (batch) => nn.crossEntropy(model.forward(batch.input!) as Tensor, batch.labels!),
    };
  },
  language_model: (golden, fill) => {
    const names = ["vocabulary", "width", "hidden", "layers", "length"];
    const [vocabulary, width, hidden, layers, length] = fields(golden, ...names);
    const model = new LanguageModel(vocabulary, width, hidden, layers);
    const shape = [golden.batch, length + 1];
    return {
      model,
      batch: { tokens: { shape, data: fill.labels("tokens", shape, vocabulary) } },
      loss: ({ tokens }) => {
        const scores = model.forward(tokens.slice([null, [0, -1]])).flatten(0, 1);
        return nn.crossEntropy(scores, tokens.slice([null, [1]]).flatten());
      },
    };
  },
  series_regressor: (golden, fill) => {
    const [hidden, stepsIn, stepsOut] = fields(golden, "hidden", "steps_in", "steps_out");
    const model = new SeriesRegressor(hidden, stepsOut);
    const [into, out] = [
      [golden.batch, stepsIn, 1],
      [golden.batch, stepsOut],
    ];
    return {
      model,
      batch: {
        input: { shape: into, data: fill.values("input", into) },
        target: { shape: out, data: fill.values("target", out) },
      },
      loss: ({ input, target }) => nn.mseLoss(model.forward(input), target),
    };
  },
};

/** The task of a case, its model filled; fails on tasks that are not known. */
export function makeTask(golden: Case, fill: Fill): Task {
  const make = tasks[golden.task];
  if (!make) throw new Error(`task ${golden.task} is not known to this suite`);
  const task = make(golden, fill);
  const own = [...task.model.stateDict()].map(([name, { shape }]) => [name, shape]);
  expect(own, "state").toEqual(golden.state);
  const values = golden.state.map(([name, shape]) => {
    const data = fill.parameter(name, shape, golden.hidden);
    const isCount = name.endsWith("num_batches_tracked");
    return [name, { shape, data: isCount ? BigInt64Array.from(data, BigInt) : data }] as const;
  });
  task.model.train().loadStateDict(new Map(values));
  const count = task.model.parameters().reduce((sum, { data }) => sum + data.length, 0);
  expect(count, "parameters").toBe(golden.parameters);
  return task;
}
