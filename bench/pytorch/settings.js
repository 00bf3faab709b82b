// PyTorch's settings: which BLAS, how many threads, how they wait. The best of them is what we compare with.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const cache = fileURLToPath(new URL("../../node_modules/.cache/tensorlane-bench", import.meta.url));
const packages = ["libopenblas0-openmp", "libopenblas0-pthread"];
const isReference = (path) => /\/blas\/libblas\.so/.test(path);

/** The library that Debian's alternatives choose, resolved. */
function systemBlas() {
  for (const folder of ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"]) {
    const path = join(folder, "libblas.so.3");
    if (existsSync(path)) return realpathSync(path);
  }
}

/** Folders below `root` that hold an OpenBLAS as libblas.so.3, by variant. @param {string} root */
function openblasBelow(root) {
  const found = {};
  const base = join(root, "usr/lib");
  for (const triple of existsSync(base) ? readdirSync(base) : []) {
    for (const variant of ["openmp", "pthread"]) {
      const folder = join(base, triple, `openblas-${variant}`);
      if (existsSync(join(folder, "libblas.so.3"))) found[variant] = folder;
    }
  }
  return found;
}

/**
 * Debian's python3-torch runs on whichever BLAS is chosen, at worst on the reference implementation, which is
 * 20 times slower than OpenBLAS: no fair peer. Its packages are unpacked into a folder of ours; nothing is installed.
 */
function fetchOpenblas(say) {
  mkdirSync(cache, { recursive: true });
  say(
    `PyTorch would run on the reference BLAS; fetching Debian's ${packages.join(", ")} to compare fairly`,
  );
  for (const name of packages) {
    const fetched = spawnSync("apt-get", ["download", name], {
      cwd: cache,
      timeout: 60_000,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const archive =
      existsSync(cache) && readdirSync(cache).find((file) => file.startsWith(`${name}_`));
    if (!archive) {
      say(`  ${name} is out of reach: ${String(fetched.stderr ?? fetched.error).trim()}`);
      continue;
    }
    execFileSync("dpkg-deb", ["-x", join(cache, archive), cache]);
  }
}

/**
 * @typedef {{ name: string, env: Record<string, string> }} Setting
 * @param {number} threads @param {(line: string) => void} say
 * @param {{ blas?: "system" }} options "system" takes what the system has chosen, whatever it is
 * @returns {{ settings: Setting[], reference: boolean }}
 */
export function settingsFor(threads, say, { blas } = {}) {
  const system = systemBlas();
  let openblas = blas ? {} : { ...openblasBelow(cache), ...openblasBelow("/") };
  const reference = system !== undefined && isReference(system);
  if (!blas && reference && Object.keys(openblas).length === 0) {
    fetchOpenblas(say);
    openblas = openblasBelow(cache);
  }
  const libraries = Object.entries(openblas).map(([variant, folder]) => ({
    name: `OpenBLAS ${variant}`,
    env: { LD_LIBRARY_PATH: folder },
  }));
  const slow = reference && libraries.length === 0;
  if (slow)
    say("WARNING: PyTorch runs on the reference BLAS: ratios of matrix products flatter us");
  if (libraries.length === 0) libraries.push({ name: `system BLAS (${system})`, env: {} });
  return { settings: libraries.flatMap((library) => ways(library, threads)), reference: slow };
}

/** How threads share the processors; those of OpenBLAS's pthread variant are its own, beside OpenMP's. */
function ways({ name, env }, threads) {
  const all = String(threads);
  const full = { OMP_NUM_THREADS: all, OPENBLAS_NUM_THREADS: all };
  const way = (title, more) => ({ name: `${name}, ${title}`, env: { ...env, ...more } });
  const one = { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
  if (threads === 1) return [way("1 thread", one)];
  const passive = way(`${all} threads, passive`, { ...full, OMP_WAIT_POLICY: "passive" });
  const single = way(`${all} threads, BLAS 1`, { ...full, OPENBLAS_NUM_THREADS: "1" });
  // Two pools that both wait actively starve each other.
  if (name.endsWith("pthread")) return [passive, single];
  return [
    way(`${all} threads`, full),
    // OMP_WAIT_POLICY=active would spin in the other side's time too; a long spin serves the same within a step.
    way(`${all} threads, spinning`, { ...full, GOMP_SPINCOUNT: "10000000" }),
    passive,
    single,
    way("1 thread", one),
  ];
}

/**
 * The two or three of all settings that a quick run tries. Threads that wait passively are up to twice as slow in every full run;
 * a family's setting is chosen by one row, so a slow one must not be among them by a moment's chance.
 * @param {readonly Setting[]} settings
 */
export const likely = (settings) => {
  const those = (pattern) => settings.filter(({ name }) => pattern.test(name));
  const found = [those(/threads(, spinning)?$/), those(/threads, passive$/)];
  return found.find((some) => some.length > 0) ?? settings;
};
