import { TensorlaneError } from "../errors.ts";

/**
 * A binary tree over words. Nodes are numbered: first the words from left to right, then the inner nodes,
 * children before parents, so that the root is the last one.
 */
export interface BinaryTree {
  /** The n words. */
  readonly words: readonly string[];
  /** Left and right child of each of the n - 1 inner nodes, by node number. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** A label for each of the 2n - 1 nodes; -1 where there is none. */
  readonly labels: Int32Array;
}

/** A tree that cannot be read: says where (line and column from 1), what is there and what should be. */
export class TreeError extends TensorlaneError {
  override readonly name = "TreeError";
  readonly line: number;
  readonly column: number;

  constructor(source: string, line: number, column: number, message: string) {
    super(`${source}:${line}:${column}: ${message}`);
    this.line = line;
    this.column = column;
  }
}

export interface TreeOptions {
  /** Names the text in errors. */
  readonly source?: string;
  /** Labels must lie below this. */
  readonly classes?: number;
}

/**
 * Reads trees, one a line, as the Stanford Sentiment Treebank has them: "(label child child)" or
 * "(label word)". Empty lines are skipped. Throws TreeError.
 *
 * @example readTrees("(3 (2 It) (4 (3 works) (2 .)))")[0].words // ["It", "works", "."]
 */
export function readTrees(text: string, options: TreeOptions = {}): BinaryTree[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .flatMap((line, i) =>
      line.trim() === "" ? [] : [new TreeReader(line, i + 1, options).read()],
    );
}

/** A node whose bracket is open. */
interface Open {
  readonly label: number;
  readonly column: number;
  readonly children: number[];
}

/** Reads one line. It keeps its own stack: a tree may be deeper than calls can be nested. */
class TreeReader {
  private readonly words: string[] = [];
  private readonly wordLabels: number[] = [];
  private readonly inner: { left: number; right: number; label: number }[] = [];
  private readonly stack: Open[] = [];
  private readonly text: string;
  private readonly line: number;
  private readonly options: TreeOptions;
  private at = 0;

  constructor(text: string, line: number, options: TreeOptions) {
    this.text = text;
    this.line = line;
    this.options = options;
  }

  read(): BinaryTree {
    if (this.skipSpaces() !== "(") this.fail(`expected "(", found ${this.found()}`);
    do {
      const next = this.skipSpaces();
      if (next === "(") this.open();
      else if (next === ")") this.close();
      else if (next === undefined) {
        const last = this.stack.at(-1)!;
        this.fail(`the line ends, but the bracket of column ${last.column} is open; expected ")"`);
      } else this.word();
    } while (this.stack.length > 0);
    if (this.skipSpaces() !== undefined) {
      this.fail(`expected the end of the line, found ${this.found()}; write one tree a line`);
    }
    return this.numbered();
  }

  private skipSpaces(): string | undefined {
    while (/[ \t]/.test(this.text[this.at] ?? "")) this.at++;
    return this.text[this.at];
  }

  /** Characters up to a space, a tab or a bracket; a no-break space belongs to its word ("8 1/2"). */
  private token(): string {
    const start = this.at;
    while (this.at < this.text.length && !/[ \t()]/.test(this.text[this.at])) this.at++;
    return this.text.slice(start, this.at);
  }

  private open(): void {
    const column = this.at + 1;
    const parent = this.stack.at(-1);
    if (parent?.children.length === 2) {
      this.fail("a third child; the trees are binary: put two of the children into a node");
    }
    this.at++;
    this.skipSpaces();
    const [begin, label] = [this.at, this.token()];
    const { classes = 2 ** 31 } = this.options;
    if (!/^\d+$/.test(label) || Number(label) >= classes) {
      this.at = begin;
      const range = this.options.classes === undefined ? "" : ` from 0 to ${classes - 1}`;
      const what = label === "" ? this.found() : JSON.stringify(label);
      this.fail(`expected a label after "(", a whole number${range}; found ${what}`);
    }
    this.stack.push({ label: Number(label), column, children: [] });
  }

  private word(): void {
    const { children, label } = this.stack.at(-1)!;
    if (children.length > 0) {
      this.fail(`a word beside a child: ${this.found()}; write it as a node, "(label word)"`);
    }
    this.words.push(this.token());
    this.wordLabels.push(label);
    if (this.skipSpaces() !== ")") {
      this.fail(`expected ")" after a word, found ${this.found()}; a leaf holds one word`);
    }
    this.at++;
    this.leave(this.words.length - 1);
  }

  private close(): void {
    const { children, label, column } = this.stack.at(-1)!;
    const [left, right] = children;
    if (right === undefined) {
      const count = children.length === 0 ? "neither a word nor children" : "a single child";
      this.fail(`the node of column ${column} has ${count}; expected a word or two children`);
    }
    this.at++;
    // Inner nodes are numbered from -1 down until it is known how many words there are.
    this.inner.push({ left, right, label });
    this.leave(-this.inner.length);
  }

  private leave(node: number): void {
    this.stack.pop();
    this.stack.at(-1)?.children.push(node);
  }

  private numbered(): BinaryTree {
    const { words, inner } = this;
    const number = (node: number) => (node >= 0 ? node : words.length - 1 - node);
    return {
      words,
      left: Int32Array.from(inner, ({ left }) => number(left)),
      right: Int32Array.from(inner, ({ right }) => number(right)),
      labels: Int32Array.from([...this.wordLabels, ...inner.map(({ label }) => label)]),
    };
  }

  private found(): string {
    const { text, at } = this;
    if (at >= text.length) return "the end of the line";
    const rest = text.slice(at, at + 12);
    return JSON.stringify(rest.length < text.length - at ? `${rest}...` : rest);
  }

  private fail(message: string): never {
    const { source = "trees" } = this.options;
    throw new TreeError(source, this.line, this.at + 1, message);
  }
}

/**
 * The tree as a line of text; the inverse of `readTrees`. Nodes without a label get `unlabelled`.
 *
 * @example formatTree(readTrees("(1 (2 so) (1 so))")[0]) // "(1 (2 so) (1 so))"
 */
export function formatTree({ words, left, right, labels }: BinaryTree, unlabelled = 0): string {
  const texts: string[] = [];
  for (let node = 0; node < labels.length; node++) {
    const label = labels[node] < 0 ? unlabelled : labels[node];
    const inner = node - words.length;
    const content = inner < 0 ? words[node] : `${texts[left[inner]]} ${texts[right[inner]]}`;
    texts.push(`(${label} ${content})`);
  }
  return texts.at(-1)!;
}

/**
 * A tree without labels for plain words: halves of halves ("balanced"), or each word beside all that follow
 * ("right", as English mostly branches). Throws where there is no word.
 *
 * @example formatTree(treeOfWords(["a", "b", "c"], "right")) // "(0 (0 a) (0 (0 b) (0 c)))"
 */
export function treeOfWords(
  words: readonly string[],
  shape: "balanced" | "right" = "right",
): BinaryTree {
  if (words.length === 0) throw new TensorlaneError("treeOfWords: received no words");
  const inner = words.length - 1;
  const tree = { left: new Int32Array(inner), right: new Int32Array(inner) };
  let made = 0;
  const join = (left: number, right: number): number => {
    tree.left[made] = left;
    tree.right[made] = right;
    return words.length + made++;
  };
  const halves = (from: number, to: number): number => {
    if (to - from === 1) return from;
    const middle = Math.ceil((from + to) / 2);
    return join(halves(from, middle), halves(middle, to));
  };
  if (shape === "balanced") halves(0, words.length);
  else for (let word = inner - 1, node = inner; word >= 0; word--) node = join(word, node);
  return { words, ...tree, labels: new Int32Array(2 * words.length - 1).fill(-1) };
}
