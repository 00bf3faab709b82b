// Puts a trimmed onnxruntime-node where `npm pack` bundles it from, without its install script. Left to
// npm, that script tries to download CUDA libraries on every x64 Linux machine, and installing our
// package would fail wherever its host is not reachable. Part of the build and not a prepack script,
// because this workspace runs npm with ignore-scripts.
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// The library, the addon, and nothing that only CUDA, DirectML or Direct3D need.
const folders = {
  dist: /\.js$|\.d\.ts$/,
  "bin/napi-v6/linux/x64": /./,
  "bin/napi-v6/linux/arm64": /./,
  "bin/napi-v6/darwin/arm64": /^libonnxruntime\.1\.dylib$|\.node$/,
  "bin/napi-v6/win32/x64": /^onnxruntime\.dll$|\.node$/,
  "bin/napi-v6/win32/arm64": /^onnxruntime\.dll$|\.node$/,
};

const core = fileURLToPath(new URL("..", import.meta.url));
const target = join(core, "node_modules/onnxruntime-node");
rmSync(target, { recursive: true, force: true });
// With an older copy out of the way this finds the one that the workspace installed.
const source = dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));

const manifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
const own = JSON.parse(readFileSync(join(core, "package.json"), "utf8"));
const pinned = { ...own.dependencies, ...own.optionalDependencies }["onnxruntime-node"];
if (manifest.version !== pinned) {
  throw new Error(
    `onnxruntime-node ${manifest.version} is installed, but package.json pins ${pinned}: ` +
      "run npm ci",
  );
}
delete manifest.scripts;
delete manifest.devDependencies;
// The others serve the install script alone.
manifest.dependencies = { "onnxruntime-common": manifest.dependencies["onnxruntime-common"] };

for (const [folder, pattern] of Object.entries(folders)) {
  mkdirSync(join(target, folder), { recursive: true });
  for (const name of readdirSync(join(source, folder))) {
    if (pattern.test(name)) place(join(source, folder, name), join(target, folder, name));
  }
}
place(join(source, "README.md"), join(target, "README.md"));
writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);

/** A hard link: 170 MB need no second copy, and a process that loads both loads one library. */
function place(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
