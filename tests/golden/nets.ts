import { models, nn } from "tensorlane";
import { expect } from "vitest";
import type { Json } from "./files.ts";
import type { Fill } from "./fill.ts";
import { Keywords } from "./keywords.ts";

type Build = (numClasses: number, options: Keywords) => models.Classifier;

/** torchvision's builder of residual networks. */
const resnet =
  (build: (options: models.ResNetOptions) => models.Classifier): Build =>
  (numClasses, k) =>
    build({
      numClasses,
      zeroInitResidual: k.boolean("zero_init_residual", false),
      groups: k.number("groups", 1),
      widthPerGroup: k.number("width_per_group", 64),
    });

const vgg =
  (column: string, batchNorm = false): Build =>
  (numClasses, k) => {
    // How it starts does not matter: the fill replaces every weight.
    k.ignore("init_weights", "dropout");
    return models.vgg({ column, numClasses, batchNorm });
  };

const networks: Readonly<Record<string, Build>> = {
  LeNet5: (numClasses) => models.lenet5({ numClasses }),
  alexnet: (numClasses, k) => {
    k.ignore("dropout");
    return models.alexnet({ numClasses });
  },
  vgg11: vgg("A"),
  vgg13: vgg("B"),
  vgg16: vgg("D"),
  vgg19: vgg("E"),
  vgg11_bn: vgg("A", true),
  vgg13_bn: vgg("B", true),
  vgg16_bn: vgg("D", true),
  vgg19_bn: vgg("E", true),
  VggByTable: (numClasses, k) => models.vgg({ numClasses, column: String(k.raw("column")) }),
  googlenet: (numClasses, k) => {
    k.ignore("init_weights", "dropout", "dropout_aux");
    return models.googlenet({
      numClasses,
      auxLogits: k.boolean("aux_logits", true),
      transformInput: k.boolean("transform_input", false),
    });
  },
  GoogLeNetOriginal: (numClasses) => models.googlenet({ numClasses, variant: "paper" }),
  resnet18: resnet(models.resnet18),
  resnet34: resnet(models.resnet34),
  resnet50: resnet(models.resnet50),
  resnet101: resnet(models.resnet101),
  resnet152: resnet(models.resnet152),
  PlainNet: (numClasses, k) => models.plainNet({ numClasses, blocks: k.numbers("blocks") ?? [] }),
  CifarResNet: (numClasses, k) =>
    models.cifarResnet({ numClasses, depth: k.number("depth", Number.NaN) }),
};

export interface NetCase {
  readonly net?: string;
  readonly classes?: number;
  readonly options?: Readonly<Record<string, Json>>;
  readonly state: readonly (readonly [name: string, shape: readonly number[]])[];
  readonly parameters: number;
}

/** The network of a case, filled, without dropout; its state must be what PyTorch's is, in that order. */
export function makeNet(
  { net = "", classes, options, state, parameters }: NetCase,
  fill: Fill,
): models.Classifier {
  const build = networks[net];
  if (!build || classes === undefined) throw new Error(`net ${net} is not known to this suite`);
  const keywords = new Keywords(net, options ?? {});
  const model = build(classes, keywords);
  keywords.done();
  for (const [, module] of model.namedModules()) {
    if (module instanceof nn.Dropout) (module as { p: number }).p = 0;
  }
  const own = [...model.stateDict()].map(([name, { shape }]) => [name, shape]);
  expect(own, "state").toEqual(state);
  const count = model.parameters().reduce((sum, { data }) => sum + data.length, 0);
  expect(count, "parameters").toBe(parameters);
  for (const [name, { data, shape }] of model.namedState()) {
    // The count of batches, an integer, starts at 0 by itself.
    if (data instanceof Float32Array) data.set(fill.parameter(name, shape));
  }
  return model;
}
