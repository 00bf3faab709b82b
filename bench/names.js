#!/usr/bin/env node
// Trains what tells the language of surnames, and writes the figures that README quotes.
//
//   npm run bench:names                (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:names -- bilstm      (only this run; the others' figures stay)
import { trainRuns } from "./command.js";

const models = ["bilstm", "lstm"];
trainRuns("names", Object.fromEntries(models.map((model) => [model, ["--model", model]])));
