#!/usr/bin/env node
// Trains the translators of dates and numbers, and writes down how many they get wholly right.
//
//   npm run bench:translate                    (data are drawn from the seed: no network needed)
//   npm run bench:translate -- dates           (only these runs; the others' figures stay)
//   npm run bench:translate -- dates --out DIR (goes on with the runs that DIR holds)
import { trainRuns } from "./command.js";

trainRuns("translate", {
  dates: ["--data", "dates", "--model", "attention"],
  numbers: ["--data", "numbers", "--model", "attention"],
  plainDates: ["--data", "dates", "--model", "seq2seq"],
  plainNumbers: ["--data", "numbers", "--model", "seq2seq"],
});
