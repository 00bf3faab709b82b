import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { models, type nn, onnx, weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { readRunInfo, runFiles } from "../runFolder.ts";
import type { Json, TaskUi } from "../task.ts";
import type { Preprocessing } from "./images/augment.ts";
import { belongsTo, buildNetwork, type Classifier, type NetworkSpec } from "./network.ts";

/** What is known of the network that weights come from. */
export interface Origin {
  readonly path: string;
  readonly arrays: nn.StateDict;
  /** Scaling of its inputs, where its run says so. */
  readonly scaling: Pick<Preprocessing, "mean" | "std"> | undefined;
}

/** ImageNet's, which torchvision's published weights expect. */
export const imagenetScaling = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;

const pytorch = (bytes: Uint8Array): nn.StateDict => weights.readPyTorch(bytes).arrays;

const readers: Readonly<Record<string, (bytes: Uint8Array) => nn.StateDict>> = {
  ".safetensors": (bytes) => weights.readSafetensors(bytes).arrays,
  ".pth": pytorch,
  ".pt": pytorch,
  ".onnx": (bytes) => onnx.importModel(bytes).stateDict(),
};

/** Weights to start from: a file, or the best ones of a run folder. */
export async function readOrigin(given: string): Promise<Origin> {
  const found = await stat(given).catch(() => undefined);
  if (!found) throw new UserError(`--from ${given}: no such file or run folder.`);
  const path = found.isDirectory() ? join(given, runFiles.best) : given;
  if (found.isDirectory() && !existsSync(path)) {
    throw new UserError(`--from ${given}: the folder holds no ${runFiles.best}.`);
  }
  const reader = readers[extname(path).toLowerCase()];
  if (!reader) {
    throw new UserError(
      `--from ${path}: weights come as ${Object.keys(readers).join(", ")} or as a run folder.`,
    );
  }
  const bytes = new Uint8Array(await readFile(path));
  let arrays: nn.StateDict;
  try {
    arrays = reader(bytes);
  } catch (cause) {
    throw new UserError(`--from ${path}: ${(cause as Error).message}`, { cause });
  }
  const isRun = basename(path) === runFiles.best;
  const run = isRun ? await readRunInfo(dirname(path)) : undefined;
  const scaling = run?.task === "classify" ? run.details.preprocessing : undefined;
  return { path, arrays, scaling: scaling as Origin["scaling"] };
}

/** Which parts of a network keep the weights they came with. */
export class FineTuning {
  /** Parameters that are not trained. */
  readonly frozen: readonly string[];
  /** The new layers for the classes. */
  readonly head: readonly string[];

  constructor(network: nn.Module, head: readonly string[], freeze: readonly string[]) {
    this.head = head;
    const names = network.namedParameters().map(([name]) => name);
    const modules = new Set([...network.namedModules()].map(([name]) => name));
    const unknown = freeze.find((part) => part !== FEATURES && !modules.has(part));
    if (unknown !== undefined) {
      const parts = [...network.namedChildren()].map(([name]) => name);
      throw new UserError(
        `--freeze ${unknown}: the network has no such part; it has ${parts.join(", ")}, and ` +
          `"${FEATURES}" is all but the last layer.`,
      );
    }
    this.frozen = names.filter((name) =>
      freeze.some((part) =>
        part === FEATURES && !modules.has(FEATURES)
          ? !belongsTo(head, name)
          : belongsTo([part], name),
      ),
    );
    for (const [name, parameter] of network.namedParameters()) {
      if (this.frozen.includes(name)) parameter.requiresGrad = false;
    }
  }

  /**
   * Modules of which nothing is trained run as in evaluation: batch norm keeps the statistics that the weights
   * came with. (The trainer restores every module's own mode after the graph is written out.)
   */
  holdStill(network: nn.Module): void {
    if (!network.training || this.frozen.length === 0) return;
    for (const [, module] of network.namedModules()) {
      const parameters = module.parameters();
      if (parameters.length > 0 && parameters.every(({ requiresGrad }) => !requiresGrad)) {
        module.eval();
      }
    }
  }
}

/** Everything but the layer that gives the classes, where the network has no part of this name. */
const FEATURES = "features";

/** A network for the classes at hand with the weights of another; says what was taken over. */
export function adopt(
  spec: NetworkSpec,
  origin: Origin,
  freeze: readonly string[],
  ui: TaskUi,
): { readonly network: Classifier; readonly fineTuning: FineTuning } {
  const network = buildNetwork(spec);
  const head = models.replaceHead(network, spec.numClasses);
  const report = network.loadStateDict(origin.arrays, { strict: false });
  const missing = report.missing.filter((name) => !belongsTo(head, name));
  const wrong = report.wrongShape.filter((name) => !belongsTo(head, name));
  if (missing.length > 0 || wrong.length > 0) {
    const list = [...missing.map((n) => `${n} is missing`), ...wrong.map((n) => `${n} differs`)];
    throw new UserError(
      `--from ${origin.path} does not fit ${spec.model}: of ${report.loaded.length + list.length} arrays ` +
        `${list.length} do not, e.g. ${list.slice(0, 3).join(", ")}. Choose the --model (and --variant) ` +
        "that the weights were trained in.",
    );
  }
  const kept = head.filter((name) => report.loaded.includes(`${name}.weight`));
  const fineTuning = new FineTuning(network, head, freeze);
  ui.notice(
    `${origin.path}: ${report.loaded.length} arrays taken over, ` +
      (kept.length === head.length
        ? `the last layer (${head.join(", ")}) among them`
        : `new: ${head.join(", ")} for ${spec.numClasses} classes`) +
      (report.unexpected.length > 0 ? `; not used: ${report.unexpected.join(", ")}` : "") +
      ".",
  );
  if (fineTuning.frozen.length > 0) {
    ui.notice(
      `frozen: ${fineTuning.frozen.length} of ${network.namedParameters().length} parameters; they are not ` +
        "computed backward.",
    );
  }
  return { network, fineTuning };
}

/** How a run was fine-tuned, for its results. */
export const fineTuningFacts = (origin: Origin, tuning: FineTuning): { [key: string]: Json } => ({
  from: origin.path,
  newLayers: tuning.head,
  frozen: tuning.frozen.length,
});
