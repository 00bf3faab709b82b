import type { Field } from "../data/dataset.ts";
import { TensorlaneError } from "../errors.ts";
import * as ops from "../graph/ops/index.ts";
import { type Parameter, placeholder, type Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import type { Module } from "../nn/module.ts";
import { encodeModel, lowerGraph } from "../onnx/lowering.ts";
import { randomStreams } from "../onnx/randomStreams.ts";
import { clipGradNorm, clipGradValue } from "../optim/clip.ts";
import { groupOf } from "../optim/optimizer.ts";
import { traceStep } from "../train/trace.ts";
import type { Trainer } from "../train/trainer.ts";
import { checkSize } from "./model.ts";

/** How to drive an exported training step: the file's metadata under the key `tensorlane.step`. */
export interface StepDescription {
  /** Inputs that hold the batch. */
  readonly batch: readonly string[];
  /** Scalar inputs: the learning rate, and the number of the update (1 on the first). */
  readonly lr: string;
  readonly step: string;
  readonly loss: string;
  readonly metrics: readonly string[];
  /**
   * State: feed `output` of one step as `input` of the next. The first value is `initial` everywhere, or
   * the weight of that name. Without `output` the value never changes.
   */
  readonly state: readonly {
    readonly input: string;
    readonly output?: string;
    readonly initial?: number;
    readonly shape: readonly number[];
  }[];
  /** Inputs to fill with random numbers at every step. */
  readonly random: readonly {
    readonly input: string;
    readonly shape: readonly number[];
    readonly distribution: object;
    readonly stream: number;
  }[];
}

export interface StepOptions {
  /** The batch: fields as a DataLoader has them, and the number of samples. */
  readonly fields: Readonly<Record<string, Field>>;
  readonly batchSize: number;
}

/**
 * One whole training step as a portable `.onnx` file: forward, backward, clipping and update. Weights are
 * inputs, new weights outputs; `StepDescription` in the metadata pairs them.
 *
 * @example
 * const bytes = await onnx.exportTrainingStep(trainer, loader);
 */
export async function exportTrainingStep<M extends Module>(
  trainer: Trainer<M>,
  { fields, batchSize }: StepOptions,
): Promise<Uint8Array> {
  const { loss: lossOf, optimizer, clipNorm, clipValue, accumulate = 1 } = trainer.options;
  if (accumulate > 1) {
    throw new TensorlaneError(
      `exportTrainingStep: one file is one batch and one update; accumulate is ${accumulate}`,
    );
  }
  const traced = traceStep(trainer.model, lossOf, fields, batchSize);
  const [lr, step] = [placeholder("lr", []), placeholder("step", [])];
  let gradients = traced.trained.map(({ gradient }) => gradient);
  if (clipNorm !== undefined) gradients = clipGradNorm(gradients, clipNorm).clipped;
  if (clipValue !== undefined) gradients = clipGradValue(gradients, clipValue);

  const inputNames = new Map<Tensor, string>([
    [lr, "lr"],
    [step, "step"],
  ]);
  const outputs = new Map<string, Tensor>([
    ["loss", traced.loss],
    ...Object.entries(traced.metrics),
  ]);
  const state: StepDescription["state"][number][] = [];
  const carry = (name: string, input: Tensor, next: Tensor | undefined, initial?: number) => {
    inputNames.set(input, name);
    if (next) outputs.set(`next.${name}`, next);
    state.push({
      input: name,
      ...(next && { output: `next.${name}` }),
      ...(initial !== undefined && { initial }),
      shape: input.shape as readonly number[],
    });
  };
  for (const [i, { name, parameter }] of traced.trained.entries()) {
    const { optimizer: own, lrScale } = groupOf(optimizer, name);
    const slots = Object.fromEntries(
      own.slots.map((slot) => [slot.name, placeholder(slot.name, parameter.shape)]),
    );
    const rate = lrScale === 1 ? lr : ops.mul(lr, lrScale);
    const next = own.update({ parameter, gradient: gradients[i], slots, lr: rate, step });
    carry(name, parameter, next.parameter);
    for (const slot of own.slots) {
      carry(`${name}.${slot.name}`, slots[slot.name], next.slots[slot.name], slot.initial);
    }
  }
  const results = [...outputs.values()];
  const read = new Set(
    topological([...results, ...traced.updates.values()]).map((n) => n.outputs[0]),
  );
  const trained = new Set<Parameter>(traced.trained.map(({ parameter }) => parameter));
  for (const [name, parameter] of trainer.model.namedState()) {
    const next = traced.updates.get(name);
    if (!trained.has(parameter) && (next || read.has(parameter))) carry(name, parameter, next);
  }
  for (const [name, tensor] of Object.entries(traced.batch)) {
    if (read.has(tensor)) inputNames.set(tensor, name);
  }
  const options = {
    name: "training_step",
    inputNames: new Map(
      [...inputNames].filter(([tensor]) => read.has(tensor) || trained.has(tensor as Parameter)),
    ),
    outputNames: [...outputs.keys()],
  };
  const tensors = [...outputs.values()];
  const { inputs } = lowerGraph(tensors, options);
  const streams = randomStreams(inputs);
  const description: StepDescription = {
    batch: Object.keys(traced.batch).filter((name) => read.has(traced.batch[name])),
    lr: "lr",
    step: "step",
    loss: "loss",
    metrics: Object.keys(traced.metrics),
    state,
    random: inputs.flatMap(({ name, tensor, leaf }) =>
      leaf.kind === "random"
        ? [
            {
              input: name,
              shape: tensor.shape as readonly number[],
              distribution: leaf.distribution,
              stream: streams.get(tensor) as number,
            },
          ]
        : [],
    ),
  };
  const metadata = { "tensorlane.step": JSON.stringify(description) };
  return checkSize(encodeModel(lowerGraph(tensors, { ...options, metadata }).model));
}
