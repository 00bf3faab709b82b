import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's Python with its packages: not a dependency, so checks by it are skipped, by name, without. */
const PYTHON = "/usr/bin/python3";
// One thread: PyTorch's threads would fight those of ONNX Runtime.
const env = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };

/** Runs Python; what it prints. */
export const runPython = (args: readonly string[]): string =>
  execFileSync(PYTHON, args, { encoding: "utf8", env, stdio: ["ignore", "pipe", "pipe"] });

/** Why checks by these modules of Python are skipped here, if they are. */
export function whySkipped(...modules: readonly string[]): string | undefined {
  try {
    runPython(["-c", `import ${modules.join(", ")}`]);
    return undefined;
  } catch {
    return `skipped: ${modules.map((name) => `python3-${name}`).join(", ")} not installed`;
  }
}
export const skipped = whySkipped("onnx");

/** Names of the files that onnx.checker refuses, with its reason; full_check infers all shapes too. */
export function refused(models: ReadonlyMap<string, Uint8Array>): string[] {
  const folder = mkdtempSync(join(tmpdir(), "tensorlane-onnx-"));
  try {
    const names = [...models.keys()];
    for (const [i, name] of names.entries()) {
      writeFileSync(join(folder, `${i}.onnx`), models.get(name)!);
    }
    const script = `
import onnx, sys
for i in range(int(sys.argv[2])):
    try:
        model = onnx.load(f"{sys.argv[1]}/{i}.onnx")
        assert all(o.domain == "" for o in model.opset_import), "a domain besides ai.onnx"
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        print(i, str(error).replace("\\n", " ")[:300])
`;
    const lines = runPython(["-c", script, folder, String(names.length)]).trim();
    return lines
      ? lines.split("\n").map((line) => `${names[Number.parseInt(line, 10)]}: ${line}`)
      : [];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
