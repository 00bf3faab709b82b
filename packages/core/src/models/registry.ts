import { TensorlaneError } from "../errors.ts";
import { alexnet } from "./alexnet.ts";
import type { Architecture, ClassifierOptions } from "./architecture.ts";
import { cifarResnet } from "./cifarResnet.ts";
import { googlenet } from "./googlenet.ts";
import { lenet5 } from "./lenet5.ts";
import { plain18, plain34, resnet18, resnet34, resnet50, resnet101, resnet152 } from "./resnet.ts";
import { vgg, type vggColumns } from "./vgg.ts";

const imagenet = [3, 224, 224] as const;
const cifar = [3, 32, 32] as const;
const simonyan =
  "Simonyan & Zisserman 2015, Very deep convolutional networks for large-scale image recognition";
const he = "He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition";

/** The variant that was asked for, the first unless named. */
function pick<const V extends string>(
  id: string,
  variants: readonly V[],
  wanted: string | undefined,
): V {
  const found = wanted === undefined ? variants[0] : variants.find((name) => name === wanted);
  if (found) return found;
  throw new TensorlaneError(
    `${id}: variant "${wanted}" is not known; use ${variants.join(" or ")}`,
  );
}

type VariantOptions = ClassifierOptions & { readonly variant?: string };
const versions = ["torchvision", "paper"] as const;

/** A record of networks in several versions. */
function versioned<V extends string>(
  record: Pick<Architecture, "id" | "title" | "paper" | "input">,
  variants: readonly V[],
  make: (options: ClassifierOptions & { readonly variant: V }) => ReturnType<Architecture["build"]>,
): Architecture {
  return {
    ...record,
    variants,
    build: (options: VariantOptions = {}) =>
      make({ ...options, variant: pick(record.id, variants, options.variant) }),
  };
}

const vggs = (
  [
    ["vgg11", "A"],
    ["vgg11-lrn", "A-LRN"],
    ["vgg13", "B"],
    ["vgg16-c", "C"],
    ["vgg16", "D"],
    ["vgg19", "E"],
  ] as const satisfies readonly (readonly [string, keyof typeof vggColumns])[]
).map(([id, column]) => {
  const title = `VGG, column ${column}`;
  // LRN and 1x1 convolutions are not torchvision's.
  const plain = ["A-LRN", "C"].includes(column)
    ? (["paper", "batchnorm"] as const)
    : (["torchvision", "paper", "batchnorm"] as const);
  return versioned({ id, title, paper: simonyan, input: imagenet }, plain, (options) =>
    vgg({ ...options, column, batchNorm: options.variant === "batchnorm" }),
  );
});

const residual = (
  [
    ["resnet18", resnet18],
    ["resnet34", resnet34],
    ["resnet50", resnet50],
    ["resnet101", resnet101],
    ["resnet152", resnet152],
    ["plain18", plain18],
    ["plain34", plain34],
  ] as const
).map(([id, build]): Architecture => {
  const [, kind, depth] = /^([a-z]+)(\d+)$/.exec(id)!;
  const title = kind === "plain" ? `Plain network, ${depth} layers` : `ResNet-${depth}`;
  return { id, title, paper: he, input: imagenet, build: (options) => build(options) };
});

/** Option A of the paper's shortcuts, and option B. */
const shortcuts = { a: "pad", b: "projection" } as const;
const small = [20, 32, 44, 56, 110].flatMap((depth): Architecture[] => [
  versioned(
    { id: `resnet${depth}`, title: `ResNet-${depth} for CIFAR`, paper: he, input: cifar },
    ["a", "b"] as const,
    ({ variant, ...options }) => cifarResnet({ ...options, depth, shortcut: shortcuts[variant] }),
  ),
  {
    id: `plain${depth}`,
    title: `Plain network for CIFAR, ${depth} layers`,
    paper: he,
    input: cifar,
    build: (options) => cifarResnet({ ...options, depth, shortcut: "none" }),
  },
]);

/** Every network by its id. */
export const architectures: readonly Architecture[] = [
  {
    id: "lenet5",
    title: "LeNet-5",
    paper:
      "LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition",
    input: [1, 32, 32],
    build: (options) => lenet5(options),
  },
  versioned(
    {
      id: "alexnet",
      title: "AlexNet",
      paper:
        "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks",
      input: imagenet,
    },
    versions,
    alexnet,
  ),
  ...vggs,
  versioned(
    {
      id: "googlenet",
      title: "GoogLeNet (Inception v1)",
      paper: "Szegedy et al. 2014, Going deeper with convolutions",
      input: imagenet,
    },
    versions,
    googlenet,
  ),
  ...residual,
  ...small,
];

/** The network of that id; throws with the ids there are. */
export function architecture(id: string): Architecture {
  const found = architectures.find((record) => record.id === id);
  if (found) return found;
  const known = architectures.map((record) => record.id).join(", ");
  throw new TensorlaneError(`no network is called "${id}"; there are ${known}`);
}
