import type { Network, Table } from "@tensorlane/tasks";
import { type Command, InvalidArgumentError } from "commander";
import type { inspect } from "tensorlane";
import { examples, positiveInteger } from "../options.ts";
import type { Context } from "../program.ts";
import { findNetwork, summarize } from "../services.ts";

const shape = (text: string): number[] => {
  const sizes = text.split("x").map(Number);
  if (sizes.every((size) => Number.isSafeInteger(size) && size > 0)) return sizes;
  throw new InvalidArgumentError("It must be sizes with x between them, such as 3x224x224.");
};

interface Flags {
  readonly input?: number[];
  readonly variant?: string;
  readonly batch: number;
}

/** `tensorlane summary MODEL`: parameters, multiply-adds and memory, layer by layer. */
export function addSummary(program: Command, { tasks, terminal, done }: Context): void {
  program
    .command("summary")
    .description("parameters, multiply-adds and memory of a model, layer by layer")
    .argument("<model>", "a task's model, by its name or as task/name")
    .option("--input <shape>", "shape of the input without the batch, such as 12x3", shape)
    .option("--variant <name>", "where a model has several, such as paper or torchvision")
    .option("--batch <n>", "samples in the batch", positiveInteger, 1)
    .option("--json", "print one JSON object with all results as the last line of output")
    .addHelpText(
      "after",
      examples([
        "tensorlane summary gru",
        "tensorlane summary vgg16 --input 3x224x224 --variant torchvision --json",
        "tensorlane summary googlenet --variant paper",
      ]),
    )
    .action(async (model: string, flags: Flags) => {
      const { task, network } = await findNetwork(model, tasks);
      const { report, notices } = await summarize(network, flags);
      const { id, title } = network;
      const variant = flags.variant ?? network.variants?.[0];
      const notes = [...aboutNetwork(network, variant), ...totals(report), ...notices];
      terminal.table(layerTable(`${title} (${task}/${id})`, report, notes));
      const { model: network_, ...numbers } = report;
      done({
        command: "summary",
        model: id,
        task,
        title,
        ...(variant === undefined ? {} : { variant }),
        class: network_,
        batch: flags.batch,
        notices: [...notices],
        ...(numbers as unknown as Record<string, never>),
      });
    });
}

function layerTable(caption: string, report: inspect.Summary, notes: readonly string[]): Table {
  return {
    caption,
    columns: [
      { key: "name", label: "Layer" },
      { key: "type", label: "Kind" },
      { key: "shape", label: "Output" },
      { key: "parameters", label: "Parameters" },
      { key: "macs", label: "MACs" },
      { key: "memory", label: "Memory", unit: "bytes" },
    ],
    rows: report.layers.map(({ name, outputShape, ...layer }) => ({
      cells: { ...layer, name: name || "(itself)", shape: outputShape.join(" x ") || "not used" },
    })),
    notes,
  };
}

function aboutNetwork(
  { paper, variants = [], variantNotes = {}, remark }: Network,
  variant: string | undefined,
): string[] {
  const others = variants.filter((name) => name !== variant);
  const meaning = variant !== undefined && variantNotes[variant];
  return [
    ...(paper === undefined ? [] : [`After ${paper}.`]),
    ...(variant === undefined ? [] : [`Variant: ${variant}${meaning ? ` (${meaning})` : ""}.`]),
    ...(variant === undefined || others.length === 0 ? [] : [`Others: ${others.join(", ")}.`]),
    ...(remark === undefined ? [] : [remark]),
  ];
}

/** The sums, with the rules by which they are counted. */
function totals({ inputShapes, parameters, trainable, macs, activationBytes }: inspect.Summary) {
  const frozen = trainable < parameters ? `, ${grouped(trainable)} of them trained` : "";
  const megabytes = (activationBytes / 1e6).toFixed(2);
  return [
    `Input ${inputShapes.map((sizes) => sizes.join(" x ")).join(", ")}.`,
    `${grouped(parameters)} parameters${frozen}; ${grouped(macs)} multiply-adds (matrix products only).`,
    `${grouped(activationBytes)} bytes (${megabytes} MB) of activations: ` +
      "inputs and every layer's outputs once, 4 bytes each.",
  ];
}

const grouped = (value: number): string => String(value).replaceAll(/\B(?=(\d{3})+$)/g, ",");
