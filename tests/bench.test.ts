import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error the bench is plain JavaScript
import { regressions } from "../bench/guard.js";
// @ts-expect-error likewise
import { readmeTable } from "../bench/report.js";

const debianPython = "/usr/bin/python3";
const hasTorch =
  spawnSync(debianPython, ["-c", "import torch, torchvision, numpy"], { stdio: "ignore" })
    .status === 0;

beforeAll(() => {
  // The bench measures what is built.
  execFileSync(process.execPath, ["packages/cli/bin/tensorlane.js", "--version"]);
}, 300_000);

/** The smallest run: one network, hardly any time. One setting of PyTorch is enough for its numbers. */
function bench(args: readonly string[], env: NodeJS.ProcessEnv) {
  const command = ["bench/run.js", "--quick", "--json", "--seconds", "0.05", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    encoding: "utf8",
    env: { ...process.env, TENSORLANE_THREADS: "1", ...env },
  });
  expect(status, stderr).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.length).toBe(1);
  return { stderr, result: JSON.parse(lines[0]) };
}

describe("npm run bench", () => {
  test.skipIf(!hasTorch)("compares with PyTorch, and the numbers agree", () => {
    const out = mkdtempSync(join(tmpdir(), "tensorlane-bench-test-"));
    try {
      const { result } = bench(["--blas", "system", "--rows", "^LeNet", "--out", out], {
        TENSORLANE_BENCH_PYTHON: debianPython,
      });
      expect(result.rows.map(({ name, kind }: Row) => [name, kind])).toEqual([
        ["LeNet-5 (64)", "train"],
        ["LeNet-5 (64)", "inference"],
      ]);
      for (const row of result.rows as Row[]) {
        expect(row.ours).toBeGreaterThan(0);
        expect(row.ratio).toBe(row.pytorch! / row.ours);
        expect(row.check, row.kind).toMatchObject({ ok: true });
        expect(row.check!.error).toBeGreaterThan(0);
      }
      expect(result.machine).toMatchObject({ threads: 1, pytorch: { torch: expect.any(String) } });
      expect(JSON.parse(readFileSync(join(out, "bench.json"), "utf8"))).toEqual(result);
      expect(readFileSync(join(out, "bench.md"), "utf8")).toContain("| LeNet-5 (64) | train |");
      expect(readFileSync(join(out, "bench.svg"), "utf8")).toContain("LeNet-5 (64), inference");
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });

  test("says loudly that there is no PyTorch", () => {
    const { result, stderr } = bench(["--rows", "^LeNet.*inference"], {
      TENSORLANE_BENCH_PYTHON: "no-such-python",
    });
    expect(result.rows).toHaveLength(1);
    expect(result.rows[0]).toMatchObject({ pytorch: null, ratio: null, check: null });
    expect(stderr).toContain("WARNING: no PyTorch to compare with: no-such-python");
  });

  test("refuses options that mean nothing", () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, ["bench/run.js", ...args], { encoding: "utf8" });
    expect(run("--rows", "no such row").stderr).toContain("matches none of the rows");
    expect(run("--seconds", "soon").stderr).toContain('--seconds must be above 0, received "soon"');
  });
});

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly ours: number;
  readonly pytorch: number | null;
  readonly ratio: number | null;
  readonly check: { readonly ok: boolean; readonly error: number } | null;
}

test("README quotes the committed result, or nothing where there is none", () => {
  const [, quoted] =
    /<!-- bench table -->\n([\s\S]*)<!-- end of the bench table -->/.exec(
      readFileSync("README.md", "utf8"),
    ) ?? [];
  const path = "bench/results/bench.json";
  const printed = existsSync(path) ? readmeTable(JSON.parse(readFileSync(path, "utf8"))) : "";
  // The formatter pads a table's columns.
  const plain = (text?: string) => text?.trim().replace(/ +/g, " ").replace(/-{3,}/g, "---");
  expect(plain(quoted)).toBe(plain(printed));
});

describe("the guard", () => {
  const row = (ratio: number | null, noise = 0.02, check = { ok: true }) => ({
    ...{ name: "net", kind: "train", ratio, noise, check },
  });

  test("allows 10 % and twice both noises, not more", () => {
    expect(regressions([row(1)], [row(0.83)])).toEqual([]);
    expect(regressions([row(1)], [row(0.81)])).toEqual([
      "net, train: ratio 1.00 -> 0.81, more than the 18 % that noise explains",
    ]);
    expect(regressions([row(1)], [row(0.81, 0.05)])).toEqual([]);
    expect(regressions([row(1)], [row(2)])).toEqual([]);
  });

  test("fails on other numbers whatever the ratio; skips what cannot be compared", () => {
    expect(regressions([row(1)], [row(3, 0, { ok: false })])).toEqual([
      "net, train: other numbers than PyTorch's",
    ]);
    expect(regressions([], [row(0.1)])).toEqual([]);
    expect(regressions([row(null)], [row(0.1)])).toEqual([]);
  });

  test("passes nothing that was not compared, nor a fall by half however loud the noise", () => {
    expect(regressions([row(1)], [row(null)])).toEqual(["net, train: no ratio, it was 1.00"]);
    expect(regressions([row(1, 0.3)], [row(0.49, 0.3)])).toHaveLength(1);
    expect(regressions([row(1, 0.3)], [row(0.51, 0.3)])).toEqual([]);
  });
});
