import type { LayerSummary, Summary } from "./summary.ts";
import { grouped } from "./text.ts";

/**
 * What a summary shows that is easily overlooked, in words: where parameters and memory lie, which parts
 * are not used, whether stages cost the same. Every figure is computed from the summary's own.
 *
 * @example
 * console.log(inspect.notices(inspect.summary(models.vgg16(), [3, 224, 224])).join("\n"));
 */
export function notices(summary: Summary): string[] {
  return [linearShare, unused, equalStages, earlyMemory, inPlace].flatMap((look) => look(summary));
}

const sum = (layers: readonly LayerSummary[], key: "parameters" | "macs" | "memory"): number =>
  layers.reduce((total, layer) => total + layer[key], 0);
const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;
const isUsed = ({ outputShape }: LayerSummary): boolean => outputShape.length > 0;

/** Convolutions work, linear layers remember: only said of networks with both. */
function linearShare({ layers, parameters, macs }: Summary): string[] {
  const of = (type: string) => layers.filter((layer) => layer.type === type && isUsed(layer));
  const linear = of("Linear");
  if (linear.length === 0 || of("Conv2d").length === 0) return [];
  return [
    `Fully connected layers hold ${percent(sum(linear, "parameters"), parameters)} of the parameters ` +
      `and do ${percent(sum(linear, "macs"), macs)} of the multiply-adds.`,
  ];
}

function unused({ layers, parameters }: Summary): string[] {
  const idle = layers.filter((layer) => !isUsed(layer) && layer.parameters > 0);
  if (idle.length === 0) return [];
  const parts = [...new Set(idle.map(({ name }) => name.split(".")[0]))].join(", ");
  const count = sum(idle, "parameters");
  return [
    `Not used outside training: ${parts} with ${grouped(count)} parameters ` +
      `(${percent(count, parameters)}); ${grouped(parameters - count)} without.`,
  ];
}

/** Blocks named as in residual networks: stage, number within it, layer (`layer2.1.conv1`). */
function equalStages({ layers }: Summary): string[] {
  const blocks = new Map<string, Map<string, LayerSummary[]>>();
  for (const layer of layers) {
    const [, stage, block] = /^([a-z]+\d+)\.(\d+)\./i.exec(layer.name) ?? [];
    if (!stage) continue;
    const stages = blocks.get(stage) ?? new Map<string, LayerSummary[]>();
    blocks.set(stage, stages.set(block, [...(stages.get(block) ?? []), layer]));
  }
  // A stage's first block changes the shape; its last one is typical.
  const typical = [...blocks].map(([stage, own]) => {
    const [block, parts] = [...own].at(-1)!;
    return {
      name: `${stage}.${block}`,
      macs: sum(parts, "macs"),
      shape: parts.at(-1)!.outputShape,
    };
  });
  const [first, ...others] = typical;
  const alike = (one: typeof first, i: number): boolean => {
    const before = typical[i];
    return (
      one.macs === first.macs &&
      one.shape[1] === 2 * before.shape[1] &&
      one.shape[2] === Math.ceil(before.shape[2] / 2)
    );
  };
  if (others.length === 0 || first.macs === 0 || !others.every(alike)) return [];
  return [
    `Every stage costs the same: ${typical.map(({ name }) => name).join(", ")} take ` +
      `${grouped(first.macs)} multiply-adds each; half the image's side, twice the filters.`,
  ];
}

function earlyMemory({ layers, activationBytes, inputShapes }: Summary): string[] {
  const total = sum(layers, "memory");
  let count = 0;
  for (let reached = 0; reached < total / 2; count++) reached += layers[count].memory;
  // Of interest in networks for images, and where it is early indeed.
  if (activationBytes === 0 || inputShapes[0]?.length !== 4 || count > layers.length / 3) return [];
  return [`Half of the activations lie in the first ${count} of ${layers.length} layers.`];
}

function inPlace({ inPlaceBytes, activationBytes }: Summary): string[] {
  if (inPlaceBytes === 0) return [];
  return [
    `Counted as one with the layer before: ReLUs, which overwrite their input. Kept apart they would ` +
      `take ${grouped(inPlaceBytes)} bytes more, ${grouped(inPlaceBytes + activationBytes)} in all.`,
  ];
}
