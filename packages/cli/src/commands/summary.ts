import { type Table, UserError, unknownName } from "@tensorlane/tasks";
import { type Command, InvalidArgumentError } from "commander";
import { examples } from "../options.ts";
import type { Context } from "../program.ts";
import { modelIds, type SummaryReport, summarize } from "../services.ts";

const shape = (text: string): number[] => {
  const sizes = text.split("x").map(Number);
  if (sizes.every((size) => Number.isSafeInteger(size) && size > 0)) return sizes;
  throw new InvalidArgumentError("It must be sizes with x between them, such as 3x224x224.");
};

/** `tensorlane summary MODEL`: parameters, multiply-adds and memory, layer by layer. */
export function addSummary(program: Command, { terminal, done }: Context): void {
  program
    .command("summary")
    .description("parameters, multiply-adds and memory of a model, layer by layer")
    .argument("<model>", "model id")
    .option("--input <shape>", "input without the batch, such as 3x224x224", shape)
    .option("--variant <name>", "paper or torchvision, where a model has both")
    .option("--json", "print one JSON object with all results as the last line of output")
    .addHelpText("after", examples(["tensorlane summary vgg16 --input 3x224x224"]))
    .action(async (model: string, flags: { input?: number[]; variant?: string }) => {
      const known = await modelIds();
      if (known.length === 0) throw new UserError("this build has no models to summarise yet.");
      if (!known.includes(model)) throw unknownName("model", model, known);
      const report = await summarize(model, flags);
      terminal.table(layerTable(model, report));
      done({ command: "summary", model, ...(report as unknown as Record<string, never>) });
    });
}

function layerTable(model: string, report: SummaryReport): Table {
  return {
    caption: model,
    columns: [
      { key: "name", label: "Layer" },
      { key: "type", label: "Kind" },
      { key: "shape", label: "Output" },
      { key: "parameters", label: "Parameters" },
      { key: "macs", label: "MACs" },
      { key: "memory", label: "Memory", unit: "bytes" },
    ],
    rows: report.layers.map(({ outputShape, ...layer }) => ({
      cells: { ...layer, shape: outputShape.join(" x ") },
    })),
    notes: [
      `${report.parameters} parameters, ${report.macs} MACs, ${report.activationBytes} bytes of activations`,
    ],
  };
}
