// `npm run bench -- --peers`: the libraries that train in JavaScript, each in turn with ours.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { compare } from "../check.js";
import { median, takeTurns } from "../measure.js";
import { rows } from "../rows/index.js";
import { Side } from "../side.js";

const folder = fileURLToPath(new URL(".", import.meta.url));
/** Everything else takes these libraries minutes a step, or is not written down for them. */
const row = rows.find(({ network }) => network === "lenet5");
const libraries = [
  { name: "TensorFlow.js, cpu", args: ["tfjs.js", "cpu"] },
  { name: "TensorFlow.js, wasm", args: ["tfjs.js", "wasm"] },
  { name: "jax-js, wasm", args: ["jax.js"] },
];

/** 300 MB of packages that nobody else needs: they are a package of their own, installed on demand. */
function install(say) {
  say("npm ci in bench/peers");
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--workspaces=false"];
  const { status, stderr } = spawnSync("npm", args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm ci in bench/peers failed: ${stderr}`);
}

async function beside(ours, peer, kind, { path, seconds }) {
  try {
    await ours.ask("load", { row, kind, path, write: true });
    await peer.ask("load", { row, kind, path });
    const check = await compare(kind, ours, peer, {}, { path });
    const turns = await takeTurns(ours, peer, {}, seconds);
    const [mine, theirs] = [median(turns.ours.flat()), median(turns.peer.flat())];
    return { ours: mine, peer: theirs, ratio: theirs / mine, check };
  } catch (error) {
    // A library that cannot do a step says so in the table.
    if (!error.message.startsWith(peer.name)) throw error;
    return { ours: null, peer: null, ratio: null, cannot: error.message.split("\n")[0] };
  }
}

/** @param {Side} ours @param {{ path: string, seconds: number, say: (line: string) => void }} options */
export async function measurePeers(ours, options) {
  install(options.say);
  const results = [];
  for (const kind of ["train", "inference"]) {
    for (const { name, args } of libraries) {
      const [file, ...rest] = args;
      const peer = new Side({ name, command: process.execPath, args: [folder + file, ...rest] });
      const { version } = await peer.ask("info");
      const measured = await beside(ours, peer, kind, options);
      await peer.end();
      await ours.ask("close");
      results.push({ name: row.name, kind, library: `${name} (${version})`, ...measured });
      options.say(`${name}, ${kind}: ${measured.cannot ?? `${measured.ratio.toFixed(1)} x`}`);
    }
  }
  return results;
}
