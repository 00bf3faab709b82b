// Turns `resizing.wat` into the module that the library carries as text, so that nothing is assembled, found
// or read on a user's machine. A test says when the two differ.
import { readFile, writeFile } from "node:fs/promises";
import wabt from "wabt";

const folder = new URL("../src/classify/images/", import.meta.url);
const text = await readFile(new URL("resizing.wat", folder), "utf8");
const { parseWat } = await wabt();
const module = parseWat("resizing.wat", text, { simd: true });
const base64 = Buffer.from(module.toBinary({}).buffer).toString("base64");
module.destroy();
const lines = base64.match(/.{1,92}/g).map((line) => `  "${line}"`);
await writeFile(
  new URL("resizing.wasm.ts", folder),
  `// Assembled from resizing.wat by packages/tasks/scripts/assemble.js.\n\nexport const RESIZING_WASM =\n${lines.join(" +\n")};\n`,
);
