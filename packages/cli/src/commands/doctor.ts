import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import type { Json } from "@tensorlane/tasks";
import type { Command } from "commander";
import { examples } from "../options.ts";
import type { Context } from "../program.ts";
import { engineReport } from "../services.ts";

/** `tensorlane doctor`: what would compute here, with what, and why. */
export function addDoctor(program: Command, { terminal, done }: Context): void {
  program
    .command("doctor")
    .description("engine, threads, providers, versions and folders, and why they are what they are")
    .option("--json", "print one JSON object with all results as the last line of output")
    .addHelpText("after", examples(["tensorlane doctor", "tensorlane doctor --json | tail -n 1"]))
    .action(async () => {
      const line = (name: string, value: string): void =>
        terminal.write(`${`${name}:`.padEnd(18)}${value}\n`);
      const machine = {
        node: process.version,
        platform: `${platform()} ${release()} ${arch()}`,
        processor: cpus()[0]?.model.trim() ?? "unknown",
        cores: availableParallelism(),
        memoryGiB: gibibytes(totalmem()),
        freeGiB: gibibytes(freemem()),
      };
      line("Node", machine.node);
      line("system", machine.platform);
      line("processor", `${machine.processor}, ${machine.cores} cores usable`);
      line("memory", `${machine.memoryGiB} GiB, ${machine.freeGiB} GiB free`);
      const packages = Object.fromEntries(
        ["tensorlane", "onnxruntime-node", "onnxruntime-web", "koffi"].map((name) => [
          name,
          versionOf(name),
        ]),
      );
      for (const [name, version] of Object.entries(packages)) line(name, version ?? "not found");
      const variables = Object.fromEntries(
        Object.entries(process.env).filter(([name]) => name.startsWith("TENSORLANE_")),
      ) as Record<string, string>;
      for (const [name, value] of Object.entries(variables)) line(name, value);
      const node = await import("tensorlane/node");
      line("data cache", node.dataCacheFolder());
      line("data mirror", node.dataMirrorFolder() ?? "none (TENSORLANE_DATA_MIRROR is not set)");
      // Last, since it is what may fail: the lines above help to see why.
      const engine = await engineReport();
      line("engine", `${engine.name} (ONNX Runtime ${engine.version})`);
      line("why", engine.reason === "" ? "the fastest one, and it loads" : engine.reason);
      line("threads", String(engine.threads));
      line("providers", engine.providers.join(", "));
      line("zero copy", engine.zeroCopy ? "yes" : "no: every run copies its inputs and outputs");
      done({
        command: "doctor",
        engine: { ...engine } as unknown as Json,
        machine,
        packages,
        variables,
        data: { cache: node.dataCacheFolder(), mirror: node.dataMirrorFolder() ?? null },
      });
    });
}

const gibibytes = (bytes: number): number => Number((bytes / 2 ** 30).toFixed(1));

/** The installed version; packages that hide their package.json are asked by their main file's path. */
function versionOf(name: string): string | null {
  const require = createRequire(import.meta.url);
  // The core's own packages may be nested below it.
  const bases = [import.meta.url, ...resolved(require, "tensorlane/node")];
  for (const base of bases) {
    const paths = createRequire(base).resolve.paths(name) ?? [];
    for (const path of paths) {
      try {
        return (require(`${path}/${name}/package.json`) as { version: string }).version;
      } catch {}
    }
  }
  return null;
}

function resolved(require: NodeJS.Require, name: string): string[] {
  try {
    return [require.resolve(name)];
  } catch {
    return [];
  }
}
