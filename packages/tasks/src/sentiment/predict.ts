import { stringify } from "csv-stringify/sync";
import { data } from "tensorlane";
import { UserError } from "../errors.ts";
import { checkEnding, readInputs } from "../inputs.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, PredictOptions, TaskUi } from "../task.ts";
import { counted } from "../wording.ts";
import { judge, largest, ofRoot, softmax } from "./judging.ts";
import { isTreeModel } from "./networks.ts";
import { loadRunState } from "./runState.ts";
import { CLASSES, inputTrees, wordsOf } from "./treebank.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Judges sentences, or trees in brackets; gives the class of each and its probabilities. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  options: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  checkEnding(options.out, "the results are CSV", [".csv", ".txt"]);
  const folder = await RunFolder.open(dir);
  const { network, vocabulary } = await loadRunState(folder);
  if (inputs.length === 0) {
    throw new UserError('predict takes sentences in quotes, e.g. "a fine film.", or trees.');
  }
  const { given, values: trees, left } = await readInputs(inputs, treeOf, ui);
  const { model } = network.spec;
  if (isTreeModel(model) && given.some((text) => !isTree(text))) {
    ui.notice(
      `${model} reads parse trees; plain text has none, so each word is joined with all that follow it ` +
        "(right-branching). Give a tree in brackets for the best judgement.",
    );
  }
  tellUnknown(trees, vocabulary, ui);
  const judged = await (await judge(network, trees, vocabulary.token))();
  const sentences = trees.map((tree, i) => {
    const probabilities = softmax(ofRoot(judged[i]));
    const label = largest(probabilities);
    const text = tree.words.join(" ");
    return { text, label, class: CLASSES[label], probabilities };
  });
  const lines = [
    ["sentence", "label", "class", "probability"],
    ...sentences.map(({ text, label, class: name, probabilities }) => [
      text,
      label,
      name,
      probabilities[label].toFixed(4),
    ]),
  ];
  const csv = stringify(lines);
  if (options.out) {
    await writeFileAtomic(options.out, csv);
    ui.notice(`${options.out}: ${counted(sentences.length, "sentence")}`);
  } else ui.write(csv);
  return { dir: folder.dir, model, sentences, ...left, ...(options.out && { path: options.out }) };
}

/** Text that begins as a node does. */
const isTree = (text: string): boolean => /^\s*\(\s*\d+[\s(]/.test(text);

function treeOf(text: string, index: number): data.BinaryTree {
  if (isTree(text)) {
    const options = { source: `input ${index + 1}`, classes: CLASSES.length };
    const trees = inputTrees(() => data.readTrees(text, options));
    if (trees.length === 1) return trees[0];
    throw new UserError(`input ${index + 1} holds ${trees.length} trees; give one an input.`);
  }
  const words = wordsOf(text);
  if (words.length > 0) return data.treeOfWords(words);
  throw new UserError(`input ${index + 1} has no words: ${JSON.stringify(text)}`);
}

function tellUnknown(trees: readonly data.BinaryTree[], vocabulary: Vocabulary, ui: TaskUi): void {
  const unknown = new Set(
    trees.flatMap(({ words }) => words.filter((word) => vocabulary.token(word) === 0)),
  );
  if (unknown.size === 0) return;
  const shown = [...unknown].slice(0, 8).join(", ");
  const more = unknown.size > 8 ? ` and ${unknown.size - 8} more` : "";
  ui.notice(`Not seen in training: ${shown}${more}.`);
}
