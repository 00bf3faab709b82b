import { optim } from "tensorlane";
import type { TrainSettings } from "../task.ts";
import type { ImageSet } from "./data/set.ts";
import type { Augmentation, Preprocessing } from "./images/augment.ts";

/** How the weights are changed: an optimiser, its highest rate, samples a step, passes over the data. */
export interface Schedule {
  readonly optimizer: "SGD" | "AdamW";
  readonly lr: number;
  readonly weightDecay: number;
  readonly batch: number;
  readonly epochs: number;
  readonly labelSmoothing: number;
  /** Gradients of a larger joint norm are scaled down to it. */
  readonly clipNorm?: number;
}

type Rule = readonly [data: RegExp, model: RegExp, schedule: Partial<Schedule>];

/** Rules for data and model; all that match apply, later ones have precedence. */
const rules: readonly Rule[] = [
  // Networks with batch norm for small images, as He et al. train them, with one cycle of the rate.
  [/./, /./, { optimizer: "SGD", lr: 0.1, weightDecay: 5e-4, batch: 128, epochs: 30 }],
  // Networks for images of 224 pixels: memory and time ask for small batches.
  [/./, /^(resnet|plain)(18|34|50|101|152)$/, { lr: 0.02, batch: 32, epochs: 20 }],
  // Without batch norm large rates diverge.
  [/./, /^(alexnet|vgg|googlenet)/, { lr: 0.01, batch: 32, epochs: 20, clipNorm: 5 }],
  [/./, /^lenet5$/, { optimizer: "AdamW", lr: 5e-3, weightDecay: 0.01, batch: 128, epochs: 14 }],
  [/gtsrb/, /^lenet5$/, { epochs: 60 }],
  [/gtsrb/, /^(resnet|plain)(20|32|44|56|110)$/, { batch: 64, epochs: 24 }],
  [
    /cifar10-part/,
    /^(resnet|plain)(20|32|44|56|110)$/,
    { batch: 64, epochs: 30, labelSmoothing: 0.1 },
  ],
];

/** What training pictures of a set may undergo without changing their class. */
const augmentations: readonly (readonly [data: RegExp, Augmentation])[] = [
  [/./, { flip: true, cropArea: 0.35, brightness: 0.2, contrast: 0.2, saturation: 0.2 }],
  [/^(mnist|simulated)$/, { shift: 2, rotate: 10, scale: 0.1, stretch: 0.05, shear: 0.15 }],
  [/^cifar10/, { flip: true, shift: 4 }],
  // A mirrored sign is another sign; light varies from dusk to glare.
  [
    /^gtsrb/,
    { shift: 3, rotate: 10, scale: 0.15, stretch: 0.1, shear: 0.1, brightness: 0.5, contrast: 0.4 },
  ],
];

/** Black lies around digits and around CIFAR's crops as in He et al.; elsewhere the edge goes on. */
const blackBorder = /^(mnist|simulated|cifar10)/;

/** The schedule for a set and a model; what the user gave has precedence. */
export function scheduleFor(
  data: string,
  model: string,
  samples: number,
  given: Pick<TrainSettings, "epochs" | "batch" | "lr" | "quick">,
): Schedule {
  const fitting = rules.filter(([d, m]) => d.test(data) && m.test(model)).map(([, , part]) => part);
  const recipe = Object.assign({ labelSmoothing: 0 }, ...fitting) as Schedule;
  const epochs = given.quick ? Math.max(1, Math.round(recipe.epochs / 5)) : recipe.epochs;
  return {
    ...recipe,
    lr: given.lr ?? recipe.lr,
    epochs: given.epochs ?? epochs,
    // At least ten steps an epoch, so that a handful of pictures trains too; no batch is larger than the whole.
    batch: Math.min(
      given.batch ?? Math.max(1, Math.min(recipe.batch, Math.floor(samples / 10))),
      samples,
    ),
  };
}

export const augmentationFor = (data: string): Augmentation =>
  augmentations.findLast(([ids]) => ids.test(data))![1];

export function makeOptimizer({ optimizer, lr, weightDecay }: Schedule): optim.Optimizer {
  // Biases and batch norm's scales are no directions to shrink.
  const groups = [{ match: (name: string) => !name.endsWith("weight"), weightDecay: 0 }];
  return optimizer === "SGD"
    ? new optim.SGD({ lr, momentum: 0.9, nesterov: true, weightDecay, groups })
    : new optim.AdamW({ lr, weightDecay, groups });
}

/** How pictures of a set become the input of a network of that size. */
export function preprocessingFor(
  set: Pick<ImageSet, "id" | "side">,
  size: number,
): Omit<Preprocessing, "mean" | "std"> {
  const border = blackBorder.test(set.id) ? "black" : "edge";
  // MNIST's digits stand in a field of 32 in LeNet-5; slightly smaller pictures of others are enlarged.
  const padded = border === "black" && size > set.side && size <= set.side + 8;
  const cover = padded ? size / set.side : size >= LARGE ? CROP : 1;
  return { size, cover, border };
}

/** From this size on the middle is read, 224 of 256 pixels, as is usual on ImageNet. */
const LARGE = 96;
const CROP = 224 / 256;

/** Shorter side that pictures of other sizes are shrunk to before anything else. */
export const storedSide = (size: number): number => Math.round(size / CROP);
