// Starts the processes of both sides.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { settingsFor } from "./pytorch/settings.js";
import { Side } from "./side.js";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Python with torch: `TENSORLANE_BENCH_PYTHON`, or Debian's. */
export const python = process.env.TENSORLANE_BENCH_PYTHON ?? "/usr/bin/python3";

/** @param {Record<string, string>} [env] */
export const startOurs = (env) =>
  new Side({ name: "tensorlane", command: process.execPath, args: [file("ours/worker.js")], env });

/** @param {import("./pytorch/settings.js").Setting} setting */
export const startPytorch = ({ name, env }) =>
  new Side({ name, command: python, args: [file("pytorch/worker.py")], env, isHalted: true });

/** PyTorch's settings; none, and loudly, where it is not there. */
export function pytorchSettings(threads, say, options) {
  const { status, error, stderr } = spawnSync(python, ["-c", "import torch, torchvision, numpy"], {
    encoding: "utf8",
  });
  if (status === 0) return settingsFor(threads, say, options);
  const why = error?.message ?? stderr.trim().split("\n").at(-1);
  say(`WARNING: no PyTorch to compare with: ${python}: ${why}`);
  say("WARNING: every row has pytorch null; install python3-torch and python3-torchvision");
  return { settings: [], reference: false };
}

/** PyTorch's processes, one for each setting, started when they are first needed. */
export class Peers {
  /** @param {readonly import("./pytorch/settings.js").Setting[]} settings */
  constructor(settings) {
    this.settings = settings;
    /** @type {Map<string, import("./side.js").Side>} */
    this.sides = new Map();
    /** @type {Map<string, string>} the chosen setting's name by family, in a quick run */
    this.chosen = new Map();
  }

  all() {
    return this.settings.map(({ name }) => this.get(name));
  }

  /** The process with a setting; another one where it has ended. @param {string} name */
  get(name) {
    const known = this.sides.get(name);
    if (known && !known.ended) return known;
    const side = startPytorch(this.settings.find((setting) => setting.name === name));
    this.sides.set(name, side);
    return side;
  }

  /** @param {import("./rows/index.js").Row} row */
  for(row) {
    const name = this.chosen.get(row.family);
    if (name) return [this.get(name)];
    // Which BLAS waits how does not matter to pictures.
    return row.family === "data" ? this.all().slice(0, 1) : this.all();
  }

  async end() {
    for (const side of this.sides.values()) await side.end();
  }
}
