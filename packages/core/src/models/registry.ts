import { TensorlaneError } from "../errors.ts";
import { alexnet } from "./alexnet.ts";
import type { Architecture, Classifier, ClassifierOptions } from "./architecture.ts";
import { cifarResnet } from "./cifarResnet.ts";
import { type GoogLeNetOptions, googlenet } from "./googlenet.ts";
import { lenet5 } from "./lenet5.ts";
import { resnet } from "./resnet.ts";
import { vgg } from "./vgg.ts";

const imagenet = [3, 224, 224] as const;
const cifar = [3, 32, 32] as const;
const simonyan =
  "Simonyan & Zisserman 2015, Very deep convolutional networks for large-scale image recognition";
const he = "He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition";
/** The lecture's table of VGG-16's memory, and how its sum relates to ours. */
const lectureOnVgg16 =
  'The lecture sums its table of one 3x224x224 image up as "24M * 4 bytes ~= 96MB". The rows of that ' +
  "table are the input and the outputs of convolutions, poolings and linear layers, as they are counted " +
  "here; added up they are 15.2 million numbers, not 24. Batch norm adds outputs of its own.";

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

/** A record of a network: what its variants are, and how one of them is built. */
function network<V extends string>(
  record: Pick<Architecture, "id" | "title" | "paper" | "input" | "remark">,
  variantNotes: Readonly<Record<V, string>>,
  make: (options: ClassifierOptions & { readonly variant: V }) => Classifier,
): Architecture {
  const variants = Object.keys(variantNotes) as V[];
  return {
    ...record,
    variants,
    variantNotes,
    build: ({ variant, ...options } = {}) =>
      make({ ...options, variant: pick(record.id, variants, variant) }),
  };
}

const vggNotes = {
  torchvision: "layers and names of torchvision's published weights, the paper's layers too",
  paper: "the column of Table 1",
  batchnorm: "batch norm after every convolution, as in torchvision's _bn networks",
};
/** LRN and 1x1 convolutions are not torchvision's. */
const { torchvision: _, ...paperVggNotes } = vggNotes;
const vggs = (
  [
    ["vgg11", "A"],
    ["vgg11-lrn", "A-LRN"],
    ["vgg13", "B"],
    ["vgg16-c", "C"],
    ["vgg16", "D"],
    ["vgg19", "E"],
  ] as const
).map(([id, column]) => {
  const notes = ["A-LRN", "C"].includes(column) ? paperVggNotes : vggNotes;
  const remark = column === "D" ? { remark: lectureOnVgg16 } : {};
  return network(
    { id, title: `VGG, column ${column}`, paper: simonyan, input: imagenet, ...remark },
    notes as typeof vggNotes,
    ({ variant, ...options }) => vgg({ ...options, column, batchNorm: variant === "batchnorm" }),
  );
});

const strides = {
  torchvision: "a bottleneck halves the image in its 3x3 convolution; published weights fit",
  paper: "a bottleneck halves the image in its first 1x1 convolution",
};
const shortcuts = {
  torchvision: "projections where the shape changes (option B); published weights fit",
  paper: "the same: projections, the paper's option B",
  a: "option A: no parameters in shortcuts, zero channels appended",
};
const shallow = ([18, 34] as const).flatMap((depth) => [
  network(
    { id: `resnet${depth}`, title: `ResNet-${depth}`, paper: he, input: imagenet },
    shortcuts,
    ({ variant, ...options }) =>
      resnet({ ...options, depth, shortcut: variant === "a" ? "pad" : "projection" }),
  ),
  network(
    { id: `plain${depth}`, title: `Plain network, ${depth} layers`, paper: he, input: imagenet },
    { paper: "Table 1's layers without shortcuts" },
    ({ variant, ...options }) => resnet({ ...options, depth, shortcut: "none" }),
  ),
]);
const deep = ([50, 101, 152] as const).map((depth) =>
  network(
    { id: `resnet${depth}`, title: `ResNet-${depth}`, paper: he, input: imagenet },
    strides,
    (options) => resnet({ ...options, depth }),
  ),
);
const small = [20, 32, 44, 56, 110].flatMap((depth) => [
  network(
    { id: `resnet${depth}`, title: `ResNet-${depth} for CIFAR`, paper: he, input: cifar },
    {
      paper: "shortcuts of option A, the paper's choice for CIFAR",
      a: "the same: no parameters in shortcuts, zero channels appended",
      b: "option B: projections where the shape changes",
    },
    ({ variant, ...options }) =>
      cifarResnet({ ...options, depth, shortcut: variant === "b" ? "projection" : "pad" }),
  ),
  network(
    {
      id: `plain${depth}`,
      title: `Plain network for CIFAR, ${depth} layers`,
      paper: he,
      input: cifar,
    },
    { paper: "the residual network's layers without shortcuts" },
    ({ variant, ...options }) => cifarResnet({ ...options, depth, shortcut: "none" }),
  ),
]);

const googlenets = {
  torchvision: { variant: "torchvision" },
  paper: { variant: "paper" },
  naive: { variant: "paper", naive: true },
  fused: { variant: "paper", auxFusion: 0.3 },
} as const satisfies Record<string, GoogLeNetOptions>;

/** Every network by its id. */
export const architectures: readonly Architecture[] = [
  network(
    {
      id: "lenet5",
      title: "LeNet-5",
      paper:
        "LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition",
      input: [1, 32, 32],
    },
    { paper: "as usually taught: C3 sees all maps, pooling is untrained, the output is linear" },
    ({ variant, ...options }) => lenet5(options),
  ),
  network(
    {
      id: "alexnet",
      title: "AlexNet",
      paper:
        "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks",
      input: imagenet,
    },
    {
      torchvision: "one tower (Krizhevsky 2014), no local response norm; published weights fit",
      paper: "two towers as groups, local response norm, overlapping pooling",
    },
    (options) => alexnet(options),
  ),
  ...vggs,
  network(
    {
      id: "googlenet",
      title: "GoogLeNet (Inception v1)",
      paper: "Szegedy et al. 2014, Going deeper with convolutions",
      input: imagenet,
    },
    {
      torchvision: "batch norm, 3x3 kernels in the 5x5 branches; published weights fit",
      paper: "no batch norm, local response norm, true 5x5 branches",
      naive: "the paper's, of modules without reduced dimensions",
      fused: "the paper's, the auxiliary heads' scores in the prediction with weight 0.3",
    },
    ({ variant, ...options }) => googlenet({ ...options, ...googlenets[variant] }),
  ),
  ...shallow,
  ...deep,
  ...small,
];

/** The network of that id; throws with the ids there are. */
export function architecture(id: string): Architecture {
  const found = architectures.find((record) => record.id === id);
  if (found) return found;
  const known = architectures.map((record) => record.id).join(", ");
  throw new TensorlaneError(`no network is called "${id}"; there are ${known}`);
}
