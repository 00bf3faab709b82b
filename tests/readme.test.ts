import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const documents = ["README.md", "CONTRIBUTING.md"];
const read = (path: string) => readFileSync(path, "utf8");

/** Code blocks of a document: language and text. */
const blocks = (text: string) =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    language,
    code,
  }));

// The examples are run by examples.test.ts.
test("code in the documents is the code of an example", () => {
  const names = readdirSync("examples").filter((name) => name.endsWith(".ts"));
  const examples = names.map((name) => read(`examples/${name}`));
  const all = documents.flatMap((name) => blocks(read(name)));
  const code = all.filter(({ language }) => language === "ts");
  expect(code.length).toBeGreaterThan(0);
  for (const block of code) expect(examples).toContain(block.code);
  expect(new Set(all.map(({ language }) => language))).toEqual(new Set(["sh", "ts"]));
});

test("commands in the documents exist", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const program = read("packages/cli/src/program.ts");
  const sources = readdirSync("packages/cli/src/commands").map((name) =>
    read(`packages/cli/src/commands/${name}`),
  );
  const commands = [program, ...sources].flatMap((source) =>
    [...source.matchAll(/\.command\("(\w+)"\)/g)].map(([, name]) => name),
  );
  const lines = documents
    .flatMap((name) => blocks(read(name)))
    .filter(({ language }) => language === "sh")
    .flatMap(({ code }) => code.trim().split("\n"));
  for (const line of lines) {
    const [tool, name, third] = line.split(" ");
    if (tool === "npx") {
      expect(name).toBe("tensorlane");
      expect(["--help", ...commands], line).toContain(third);
    } else {
      expect(tool).toBe("npm");
      const script = name === "run" ? third : name;
      expect(["ci", ...Object.keys(scripts)], line).toContain(script);
    }
  }
});

test("links within the documents lead somewhere", () => {
  for (const name of [...documents, "CHANGELOG.md"]) {
    for (const [, target] of read(name).matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect(existsSync(target), `${name}: ${target}`).toBe(true);
    }
  }
});

test.each([
  ["forecast", "forecast table", "table"],
  ["classify", "classifiers", "classifiers"],
  ["sentiment", "judges", "judges"],
  ["generate", "writers", "writers"],
  ["compose", "composers", "composers"],
  ["caption", "captioners", "captioners"],
  ["translate", "translators", "translators"],
  ["names", "name readers", "name readers"],
])("the figures of %s are those of the committed bench", (table, from, to) => {
  const printed = execFileSync(process.execPath, ["bench/table.js", table], { encoding: "utf8" });
  const quoted = read("README.md").split(`<!-- ${from} -->`)[1]?.split(`<!-- end of the ${to} -->`);
  // The formatter pads a table's columns.
  const plain = (text = "") => text.trim().replace(/ +/g, " ").replace(/-{3,}/g, "---");
  expect(plain(quoted?.[0])).toBe(plain(printed));
});
