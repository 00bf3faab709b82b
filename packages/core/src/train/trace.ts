import { vjp } from "../autodiff/gradients.ts";
import type { Field } from "../data/dataset.ts";
import { TensorlaneError } from "../errors.ts";
import { format } from "../graph/dim.ts";
import { inputsByName } from "../graph/inputs.ts";
import { ones } from "../graph/ops/index.ts";
import type { Parameter, Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import { type Module, trace, withMode } from "../nn/module.ts";

/** The fields of a batch as tensors, (N, …) each. */
export type BatchTensors = Readonly<Record<string, Tensor>>;

/** The loss of a batch, and scalars to report beside it. */
export type LossResult =
  | Tensor
  | { readonly loss: Tensor; readonly metrics?: Readonly<Record<string, Tensor>> };
export type LossFunction<M extends Module> = (model: M, batch: BatchTensors) => LossResult;

/** A loss written out as a graph over placeholders for one batch. */
export interface TracedLoss {
  readonly batch: BatchTensors;
  readonly loss: Tensor;
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** New values of buffers, by name. */
  readonly updates: ReadonlyMap<string, Tensor>;
}

export interface TracedStep extends TracedLoss {
  /** Parameters that the loss depends on and that are not frozen, with their gradients. */
  readonly trained: readonly {
    readonly name: string;
    readonly parameter: Parameter;
    readonly gradient: Tensor;
  }[];
}

/** Placeholders for the fields of a batch of `size` samples. */
export function batchInputs(
  what: string,
  fields: Readonly<Record<string, Field>>,
  size: number,
): BatchTensors {
  const sized = Object.entries(fields).map(
    ([name, { dtype, shape }]) => [name, { dtype, shape: [size, ...shape] }] as const,
  );
  // Full batches have no weights: a loss may be used with both.
  return inputsByName(what, Object.fromEntries(sized), "weight");
}

/** Writes out the loss of a batch of `size` samples in the given mode. */
export function traceLoss<M extends Module>(
  model: M,
  lossOf: LossFunction<M>,
  fields: Readonly<Record<string, Field>>,
  size: number,
  training: boolean,
): TracedLoss {
  const batch = batchInputs("Trainer: the batch", fields, size);
  const { value, updates } = withMode(model, training, () =>
    trace(model, () => lossOf(model, batch)),
  );
  const { loss, metrics = {} } = "node" in value ? { loss: value } : value;
  for (const [name, scalar] of Object.entries({ loss, ...metrics })) {
    if (scalar.size !== 1 || scalar.dtype !== "float32") {
      throw new TensorlaneError(
        `Trainer: ${name} must be one float32 number, received ${scalar.dtype}${format(scalar.shape)}; ` +
          "reduce it with .mean()",
      );
    }
  }
  return { batch, loss, metrics, updates };
}

/** Adds the gradients of everything that is trained. */
export function traceStep<M extends Module>(
  model: M,
  lossOf: LossFunction<M>,
  fields: Readonly<Record<string, Field>>,
  size: number,
): TracedStep {
  const traced = traceLoss(model, lossOf, fields, size, true);
  const free = model.namedParameters().filter(([, parameter]) => parameter.requiresGrad);
  const grads = vjp(
    [traced.loss],
    [ones(traced.loss.shape)],
    free.map(([, parameter]) => parameter),
  );
  const trained = free.flatMap(([name, parameter], i) => {
    const gradient = grads[i];
    return gradient ? [{ name, parameter, gradient }] : [];
  });
  if (trained.length === 0) {
    throw new TensorlaneError(
      free.length === 0
        ? "Trainer: every parameter is frozen; free some with requiresGrad(true)"
        : "Trainer: the loss depends on no parameter of the model",
    );
  }
  return { ...traced, trained };
}

/** Whether the loss reads a field of the batch. */
export const readsField = ({ loss, batch }: TracedLoss, name: string): boolean =>
  topological([loss]).some((node) => node.outputs[0] === batch[name]);
