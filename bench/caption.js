#!/usr/bin/env node
// Trains the captioners of Flickr8k's part, and writes the figures that README quotes.
//
//   npm run bench:caption                             (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:caption -- show-tell --out DIR      (only this run, gone on with if DIR holds it)
import { trainRuns } from "./command.js";

const models = ["show-attend", "show-tell"];
trainRuns("caption", Object.fromEntries(models.map((model) => [model, ["--model", model]])));
