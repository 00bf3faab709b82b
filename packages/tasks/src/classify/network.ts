import { models, nn, ops, type Tensor } from "tensorlane";
import { unknownName } from "../errors.ts";

/** What a network is built from; kept in `run.json`. */
export interface NetworkSpec {
  readonly model: string;
  readonly variant?: string | undefined;
  readonly numClasses: number;
  readonly inChannels: number;
}

export type Classifier = ReturnType<typeof buildNetwork>;

/** The architecture with as many classes and channels as the data have. */
export function buildNetwork({ model, variant, ...sizes }: NetworkSpec) {
  const { build, variants } = models.architecture(model);
  if (variant !== undefined && !variants.includes(variant)) {
    throw unknownName(`variant of ${model}:`, variant, variants);
  }
  return build({ ...sizes, ...(variant !== undefined && { variant }) });
}

/** (N, C, size, size) -> (N, classes): the scores that predict, whatever the network returns besides. */
export function logitsOf(network: Classifier, image: Tensor): Tensor {
  const outputs = network.forward(image) as Outputs;
  return "logits" in outputs ? outputs.logits : outputs;
}

type Outputs = Tensor | models.GoogLeNetOutputs;

/** Share that GoogLeNet's auxiliary heads have in the loss (Szegedy et al. 2014). */
const AUXILIARY = 0.3;

/**
 * Cross entropy, smoothed while training, that of GoogLeNet's auxiliary heads with a weight, and the part of wrong
 * answers.
 */
export function classificationLoss(
  network: Classifier,
  batch: Readonly<Record<string, Tensor>>,
  smoothing: number,
  auxiliary = AUXILIARY,
) {
  const { image, label, weight } = batch;
  const outputs = network.forward(image) as Outputs;
  const logits = "logits" in outputs ? outputs.logits : outputs;
  const options = {
    labelSmoothing: network.training ? smoothing : 0,
    ...(weight && { sampleWeight: weight }),
  };
  let loss = nn.crossEntropy(logits, label, options);
  if ("logits" in outputs) {
    for (const extra of [outputs.aux1, outputs.aux2]) {
      loss = loss.add(nn.crossEntropy(extra, label, options).mul(auxiliary));
    }
  }
  const guess = ops.cast(ops.argmax(logits, { dim: 1 }), "int32");
  const wrong = ops.cast(ops.notEqual(guess, label), "float32");
  const error = weight ? wrong.mul(weight).sum().div(weight.sum()) : wrong.mean();
  return { loss, metrics: { error } };
}

/** Whether a parameter belongs to one of these layers. */
export const belongsTo = (names: readonly string[], parameter: string): boolean =>
  names.some((name) => parameter === name || parameter.startsWith(`${name}.`));
