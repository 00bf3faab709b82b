import { defineConfig } from "vitest/config";

// Tests run on the TypeScript sources: the `source` export condition of every package.
const resolve = { conditions: ["source", "node", "import", "default"] };
const common = {
  environment: "node" as const,
  setupFiles: ["tests/setup.ts"],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  ssr: { resolve },
  resolve,
  test: {
    // Two cores: more workers would only starve the engine's own threads.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          ...common,
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "tests/*.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          ...common,
          name: "golden",
          include: ["tests/golden/*.test.ts"],
          testTimeout: 300_000,
        },
      },
    ],
  },
});
