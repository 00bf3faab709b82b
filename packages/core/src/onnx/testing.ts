import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's python3-onnx: not a dependency, so its checks are skipped, by name, where it is missing. */
const PYTHON = "/usr/bin/python3";
function hasOnnx(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import onnx"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
/** Why checks by python3-onnx are skipped here, if they are. */
export const skipped = hasOnnx() ? undefined : "skipped: python3-onnx is not installed";

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
    const args = ["-c", script, folder, String(names.length)];
    const lines = execFileSync(PYTHON, args, { encoding: "utf8" }).trim();
    return lines
      ? lines.split("\n").map((line) => `${names[Number.parseInt(line, 10)]}: ${line}`)
      : [];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
