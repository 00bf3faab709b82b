import { describe, expect, test } from "vitest";
import "../graph/methods.ts";
import { staticSize } from "../graph/dim.ts";
import { placeholder, type Tensor } from "../graph/tensor.ts";
import { summary } from "../inspect/summary.ts";
import type * as nn from "../nn/index.ts";
import * as models from "./index.ts";

const parametersOf = (model: nn.Module): number =>
  model.parameters().reduce((sum, { shape }) => sum + staticSize(shape), 0);
/** Large networks are judged by their graphs alone: few classes keep their weights small. */
const image = (shape: readonly number[], batch = 2) => placeholder("x", [batch, ...shape]);

describe("the registry", () => {
  test("has every network of the lecture once, under its id", () => {
    const ids = models.architectures.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.slice(0, 9)).toEqual(
      "lenet5 alexnet vgg11 vgg11-lrn vgg13 vgg16-c vgg16 vgg19 googlenet".split(" "),
    );
    for (const id of ["resnet18", "resnet152", "resnet20", "resnet110", "plain20", "plain34"]) {
      expect(ids).toContain(id);
    }
    expect(() => models.architecture("resnet19")).toThrow('no network is called "resnet19"');
    const alexnet = models.architecture("alexnet");
    expect(() => alexnet.build({ variant: "original" })).toThrow("use torchvision or paper");
    for (const { id, variants, variantNotes, build } of models.architectures) {
      expect(variants, id).toContain("paper");
      expect(Object.keys(variantNotes)).toEqual(variants);
      expect(() => build({ variant: "x" }), id).toThrow(`${id}: variant "x" is not known; use `);
    }
  });

  test.for(
    models.architectures.filter(({ id }) =>
      /^(lenet5|googlenet|resnet(18|20|32)|plain(18|20))$/.test(id),
    ),
  )("$id computes scores of its classes, in every variant", ({ input, variants, build }) => {
    for (const variant of variants) {
      const model = build({ numClasses: 7, variant }).eval();
      expect((model.forward(image(input)) as Tensor).shape).toEqual([2, 7]);
    }
  });
});

describe("published numbers of parameters", () => {
  test.for([
    ["LeNet-5", () => models.lenet5(), 61_706],
    // Table 2 of the paper, in millions: 133, 133, 133, 134, 138, 144.
    ["VGG A", () => models.vgg11(), 132_863_336],
    ["VGG A-LRN", () => models.vgg({ column: "A-LRN" }), 132_863_336],
    ["VGG B", () => models.vgg13(), 133_047_848],
    ["VGG C", () => models.vgg({ column: "C" }), 133_638_952],
    ["VGG D", () => models.vgg16(), 138_357_544],
    ["VGG E", () => models.vgg19(), 143_667_240],
    ["VGG D with batch norm", () => models.vgg16({ batchNorm: true }), 138_365_992],
    ["AlexNet of torchvision", () => models.alexnet(), 61_100_840],
    ["GoogLeNet of torchvision", () => models.googlenet(), 13_004_888],
    ["GoogLeNet without heads", () => models.googlenet({ auxLogits: false }), 6_624_904],
    [
      "GoogLeNet of the paper",
      () => models.googlenet({ variant: "paper", auxLogits: false }),
      6_998_552,
    ],
    ["ResNet-18", () => models.resnet18(), 11_689_512],
    ["ResNet-34", () => models.resnet34(), 21_797_672],
    ["ResNet-50", () => models.resnet50(), 25_557_032],
    ["ResNet-50 of the paper", () => models.resnet50({ variant: "paper" }), 25_557_032],
    ["ResNet-101", () => models.resnet101(), 44_549_160],
    ["ResNet-152", () => models.resnet152(), 60_192_808],
    ["ResNet-20 for CIFAR", () => models.resnet20(), 269_722],
  ] as const)("%s", ([, build, count]) => {
    expect(parametersOf(build())).toBe(count);
  });

  test("the paper's C has 1x1 kernels; torchvision's weights fit only where it has a network", () => {
    const variantsOf = (id: string) => models.architecture(id).variants;
    expect(variantsOf("vgg16")).toEqual(["torchvision", "paper", "batchnorm"]);
    expect(variantsOf("vgg16-c")).toEqual(["paper", "batchnorm"]);
    const shapes = [...models.vgg({ column: "C" }).features.namedState()].map(([, p]) => p.shape);
    expect(shapes.filter(([, , kernel]) => kernel === 1)).toHaveLength(3);
  });

  test("AlexNet's two towers have 61 million, most of them in linear layers", () => {
    const model = models.alexnet({ variant: "paper" });
    expect(parametersOf(model)).toBe(60_965_224);
    expect(parametersOf(model.classifier) / parametersOf(model)).toBeGreaterThan(0.9);
  });
});

test("ResNet's stages cost the same: half the size, twice the filters", () => {
  const { layers } = summary(models.resnet34({ numClasses: 2 }), [3, 224, 224]);
  const macs = (stage: number) =>
    layers
      .filter(({ name }) => name.startsWith(`layer${stage}.1.`))
      .reduce((sum, layer) => sum + layer.macs, 0);
  expect(macs(1)).toBe(2 * 64 * 64 * 9 * 56 * 56);
  expect([macs(2), macs(3), macs(4)]).toEqual([macs(1), macs(1), macs(1)]);
});

test("the paper's bottlenecks halve the image first, and cost its 3.8 billion multiply-adds", () => {
  const macs = (variant: "paper" | "torchvision") =>
    summary(models.resnet50({ variant }), [3, 224, 224]).macs;
  expect(macs("paper") / 1e9).toBeCloseTo(3.86, 2);
  expect(macs("torchvision") / 1e9).toBeCloseTo(4.09, 2);
  const build = (shortcut: models.Shortcut) => () => models.resnet50({ shortcut });
  expect(build("pad")).toThrow('bottlenecks have shortcuts by projection, received "pad"');
  const optionA = parametersOf(models.resnet18({ shortcut: "pad" }));
  expect(optionA).toBe(parametersOf(models.plain18()));
});

test.for(["lenet5", "alexnet", "vgg11", "googlenet", "resnet18", "resnet20"])(
  "%s gets a new head for other classes, and keeps the rest",
  (id) => {
    const { build, input } = models.architecture(id);
    const model = build();
    const before = new Map(model.namedParameters());
    const heads = models.replaceHead(model, 3);
    const wanted = { lenet5: ["out"], alexnet: ["classifier.6"], vgg11: ["classifier.6"] };
    expect(heads).toEqual(
      id === "googlenet"
        ? ["fc", "aux1.fc2", "aux2.fc2"]
        : (wanted[id as keyof typeof wanted] ?? ["fc"]),
    );
    const changed = model.namedParameters().filter(([name, now]) => before.get(name) !== now);
    expect(changed.map(([name]) => name.replace(/\.(weight|bias)$/, ""))).toEqual(
      expect.arrayContaining(heads),
    );
    expect(changed).toHaveLength(2 * heads.length);
    expect((model.eval().forward(image(input)) as Tensor).shape).toEqual([2, 3]);
  },
);

test("plain networks have a residual one's parameters, without shortcuts", () => {
  expect([...models.plain20().stateDict().keys()]).toEqual([
    ...models.resnet20().stateDict().keys(),
  ]);
  const projected = models.resnet20({ shortcut: "projection" });
  expect(projected.stateDict().has("layer2.0.downsample.0.weight")).toBe(true);
  expect(() => models.cifarResnet({ depth: 21 })).toThrow("6n + 2");
});

test("GoogLeNet trains by three heads, and fuses them where that is asked for", () => {
  const model = models.googlenet({ variant: "paper", numClasses: 3 });
  const outputs = model.forward(image([3, 224, 224])) as models.GoogLeNetOutputs;
  expect([outputs.logits, outputs.aux1, outputs.aux2].map(({ shape }) => shape)).toEqual(
    Array.from({ length: 3 }, () => [2, 3]),
  );
  const labels = placeholder("labels", [2], "int32");
  expect(models.googlenetLoss(outputs, labels).shape).toEqual([]);
  const fused = models.googlenet({ variant: "paper", numClasses: 3, auxFusion: 0.3 }).eval();
  const { layers } = summary(fused, [3, 224, 224]);
  expect(layers.find(({ name }) => name === "aux1.fc2")?.outputShape).toEqual([1, 3]);
});

test("naive Inception passes all channels on, and costs more", () => {
  const shape = [192, 28, 28];
  const row = [64, 96, 128, 16, 32, 32] as const;
  const naive = new models.NaiveInception(192, row);
  const reduced = new models.Inception("paper", 192, row);
  expect(naive.outChannels).toBe(64 + 128 + 32 + 192);
  expect(reduced.forward(image(shape)).shape).toEqual([2, 256, 28, 28]);
  expect(summary(naive, shape).macs).toBeGreaterThan(2 * summary(reduced, shape).macs);
  const whole = models.googlenet({
    variant: "paper",
    naive: true,
    numClasses: 2,
    auxLogits: false,
  });
  expect((whole.eval().forward(image([3, 64, 64])) as Tensor).shape).toEqual([2, 2]);
});

test("a column of one's own is a table in the same letters", () => {
  const model = models.vgg({ column: "8 M 16/1 L M", numClasses: 2, batchNorm: true });
  const names = [...model.features.stateDict().keys()].filter((name) => name.endsWith("weight"));
  expect(names).toEqual(["0.weight", "1.weight", "4.weight", "5.weight"]);
  expect(() => models.vgg({ column: "8 P" })).toThrow('"P" is no entry');
});

test("zeroInitResidual starts blocks as their shortcuts", () => {
  const model = models.resnet18({ numClasses: 2, zeroInitResidual: true });
  const block = model.layer1.layers[0] as models.BasicBlock;
  expect(new Set(block.bn2.weight!.data as Float32Array)).toEqual(new Set([0]));
  expect(new Set(block.bn1.weight!.data as Float32Array)).toEqual(new Set([1]));
});
