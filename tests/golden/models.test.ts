import { describe, test } from "vitest";
import { readJson } from "./files.ts";
import { whyPending } from "./pending.ts";

interface Case {
  readonly name: string;
  readonly net: string;
}
const { cases } = readJson<{ readonly cases: readonly Case[] }>("models.json");

describe("models", () => {
  // A kept-back folder may hold no models; Vitest wants at least one test in a file.
  test.runIf(cases.length === 0)("there are none in this folder", () => {});
  test.for(cases)("$name", ({ net }, { skip }) => {
    const reason = whyPending("nets", net);
    if (reason) skip(reason);
    // All of the generator's networks are convolutional; their comparison comes with the first of them.
    throw new Error(`net ${net} is not known to this suite`);
  });
});
