#!/usr/bin/env node
// Trains the models that compose, judges what they write, and writes the figures that README quotes.
//
//   npm run bench:compose                       (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:compose -- rolls              (only these runs; the others' figures stay)
//   npm run bench:compose -- rolls --out DIR    (goes on with the runs that DIR holds)
import { trainRuns } from "./command.js";

const lstm = ["--model", "lstm"];
trainRuns("compose", {
  published: ["--data", "nottingham-roll", ...lstm, "--published"],
  rolls: ["--data", "nottingham-roll", ...lstm],
  tunes: ["--data", "nottingham", ...lstm],
});
