import { afterEach, vi } from "vitest";

// Warnings and console noise fail tests: a test that expects output spies on the console itself.
const noisy = ["log", "info", "warn", "error", "debug"] as const;
const seen: string[] = [];
for (const method of noisy) {
  vi.spyOn(console, method).mockImplementation((...args: unknown[]) => {
    seen.push(`console.${method}: ${args.map(String).join(" ")}`);
  });
}
process.on("warning", (warning) => seen.push(`warning: ${warning.stack ?? warning.message}`));
afterEach(() => {
  const noise = seen.splice(0);
  if (noise.length > 0) throw new Error(`noise during the test:\n${noise.join("\n")}`);
});
