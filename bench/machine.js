// What a measurement ran on.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

const wide = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve"];

/** Instruction sets of the processor that matter to matrix products; empty where the system does not say. */
function instructions() {
  try {
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
    const flags = new Set(line?.[1].trim().split(" "));
    return wide.filter((name) => flags.has(name));
  } catch {
    return [];
  }
}

const packageOf = (path) =>
  JSON.parse(readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8"));

/** @param {object} ours the answer to `info` of our side @param {object | undefined} pytorch likewise */
export function machineFacts(ours, pytorch) {
  return {
    cpu: cpus()[0].model.trim(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    instructions: instructions(),
    node: process.version,
    tensorlane: packageOf("../packages/core/package.json").version,
    onnxruntime: ours.version,
    engine: ours.name,
    threads: ours.threads,
    pytorch: pytorch && {
      torch: pytorch.torch,
      torchvision: pytorch.torchvision,
      blas: pytorch.blas,
      reports: /CPU capability usage: (\S+)/.exec(pytorch.config)?.[1],
      onednn: /MKL-DNN (v[\d.]+)/.exec(pytorch.config)?.[1],
    },
    date: new Date().toISOString().slice(0, 10),
  };
}
