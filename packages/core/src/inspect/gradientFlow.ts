import { gradients } from "../autodiff/gradients.ts";
import { type EvaluateOptions, evaluate } from "../evaluate.ts";
import { sqrt, square, sum } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";

/** How strongly a loss pulls at one parameter. */
export interface GradientFlow {
  /** State-dict name. */
  readonly name: string;
  /** Euclidean norm of the gradient; 0 where the loss does not depend on the parameter. */
  readonly gradient: number;
  /** Euclidean norm of the parameter itself, to compare with. */
  readonly weight: number;
}

/**
 * Norm of the gradient of every parameter that is not frozen, in the order of the state dict: where
 * gradients vanish or explode on their way back.
 *
 * @param loss a scalar computed from the model
 * @example
 * const flow = await inspect.gradientFlow(model, nn.mseLoss(model.forward(x), y));
 */
export async function gradientFlow(
  model: Module,
  loss: Tensor,
  options: EvaluateOptions = {},
): Promise<GradientFlow[]> {
  const free = model.namedParameters().filter(([, parameter]) => parameter.requiresGrad);
  const parameters = free.map(([, parameter]) => parameter);
  const norm = (x: Tensor) => sqrt(sum(square(x)));
  const norms = [...gradients(loss, parameters), ...parameters].map(norm);
  const values = (await evaluate(norms, options)).map(({ data }) => Number(data[0]));
  return free.map(([name], i) => ({
    name,
    gradient: values[i],
    weight: values[free.length + i],
  }));
}
