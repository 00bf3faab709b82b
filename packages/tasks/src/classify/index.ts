import { UserError } from "../errors.ts";
import type { Task, TaskOption } from "../task.ts";

const wholeNumber =
  (flag: string, least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least) return value;
    throw new UserError(`${flag} ${text}: it must be a whole number, ${least} or more.`);
  };

const trainOptions: readonly TaskOption[] = [
  {
    flags: "--variant <name>",
    description: "version of the network, such as paper or torchvision",
  },
  {
    flags: "--size <pixels>",
    description: "side of the network's input (by default the architecture's own)",
    parse: wholeNumber("--size", 8),
  },
  {
    flags: "--classes <n or names>",
    description: "only the first n classes, or those named: cat,dog or by number 0-21",
  },
  {
    flags: "--per-class <n>",
    description: "at most n training images of each class",
    parse: wholeNumber("--per-class", 1),
  },
  {
    flags: "--from <weights>",
    description: "fine-tune: start with the weights of a file or of another run's folder",
  },
  {
    flags: "--freeze <parts>",
    description: "parts that keep these weights; features is all but the last layer",
    parse: (text) => text.split(",").map((part) => part.trim()),
  },
];

/** Classification of images: the convolutional classics, on known sets or a folder of one's own. */
export const classify: Task = {
  name: "classify",
  summary: "tell images apart with a convolutional network",
  models: [
    ...["lenet5", "alexnet", "vgg11", "vgg11-lrn", "vgg13", "vgg16-c", "vgg16", "vgg19"],
    ...["googlenet", "resnet18", "plain18", "resnet34", "plain34"],
    ...["resnet50", "resnet101", "resnet152"],
    ...["resnet20", "plain20", "resnet32", "plain32", "resnet44", "plain44"],
    ...["resnet56", "plain56", "resnet110", "plain110"],
  ],
  datasets: ["mnist", "cifar10", "cifar10-part", "gtsrb", "gtsrb-part", "simulated"],
  files: "a folder with one sub-folder of images for each class",
  inputs: "image files",
  defaults: { data: "mnist", models: ["lenet5"], seed: 1 },
  options: { train: trainOptions },
  examples: {
    train: [
      "tensorlane train classify --quick",
      "tensorlane train classify --data mnist --model lenet5 --epochs 2 --seed 1 --out runs/digits",
      "tensorlane train classify --data cifar10-part --model resnet20",
      "tensorlane train classify --data my-photos --model resnet18 --size 64",
      "tensorlane train classify --data my-photos --model resnet20 --from runs/cifar --freeze features",
    ],
    evaluate: ["tensorlane evaluate runs/digits"],
    predict: ["tensorlane predict runs/digits photo.jpg scan.png"],
    export: ["tensorlane export runs/digits --out digits.onnx"],
  },
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
