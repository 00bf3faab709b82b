import { compile, data, type Tensor } from "tensorlane";
import type { Table } from "../table.ts";
import type { Json } from "../task.ts";
import type { ImageSet } from "./data/set.ts";
import type { Preprocessing } from "./images/augment.ts";
import { ImageDataset } from "./images/dataset.ts";
import type { ImagePool } from "./images/pool.ts";
import { type Classifier, logitsOf } from "./network.ts";

/** Probabilities of pictures: (pictures, classes). */
export interface Predictions {
  readonly indices: Int32Array;
  readonly classes: number;
  readonly probabilities: Float32Array;
}

export interface PredictInput {
  readonly network: Classifier;
  readonly set: Pick<ImageSet, "sources" | "labels" | "channels">;
  readonly indices: Int32Array;
  readonly classes: number;
  readonly preprocessing: Preprocessing;
  readonly pool: ImagePool;
}

/** What the network says of each picture, seen as in validation. */
export async function predictImages(input: PredictInput): Promise<Predictions> {
  const { network, indices, classes } = input;
  const probabilities = new Float32Array(indices.length * classes);
  if (indices.length === 0) return { indices, classes, probabilities };
  const images = new ImageDataset(input);
  const batchSize = Math.min(128, indices.length);
  const loader = new data.DataLoader(images, { batchSize });
  network.eval();
  const build = ({ image }: Readonly<Record<string, Tensor>>) => ({
    probabilities: logitsOf(network, image).softmax(1),
  });
  // Constant weights take time to lay out, which a few pictures do not give back.
  const run = await compile(loader.fields, batchSize, build, { frozen: loader.length > 1 });
  for await (const { fields, index, count } of loader.epoch(0, { reuse: true })) {
    const values = (await run(fields)).probabilities.data as Float32Array;
    probabilities.set(values.subarray(0, count * classes), index * batchSize * classes);
  }
  return { indices, classes, probabilities };
}

/** Classes of one picture, the likeliest first; equal ones in the order of the classes. */
export function ranking({ probabilities, classes }: Predictions, row: number): number[] {
  const own = probabilities.subarray(row * classes, (row + 1) * classes);
  return Array.from(own.keys()).sort((a, b) => own[b]! - own[a]! || a - b);
}

/** How good predictions are. */
export interface Scores {
  readonly count: number;
  /** Shares of the pictures whose class was not the first, not among the first five. */
  readonly top1Error: number;
  /** Null where there are five classes or fewer: it would be 0. */
  readonly top5Error: number | null;
  /** Mean of -log p of the true class. */
  readonly loss: number;
  readonly classes: readonly {
    readonly name: string;
    readonly count: number;
    /** Share of the class's pictures that were recognised; null where it has none. */
    readonly accuracy: number | null;
  }[];
  /** confusion[truth][prediction]. */
  readonly confusion: readonly (readonly number[])[];
  /** Rows of wrong predictions, the surest first. */
  readonly mistakes: readonly number[];
}

export function scorePredictions(
  predictions: Predictions,
  labels: ArrayLike<number>,
  names: readonly string[],
): Scores {
  const { indices, classes, probabilities } = predictions;
  const confusion = names.map(() => new Array<number>(classes).fill(0));
  const wrong: { readonly row: number; readonly sure: number }[] = [];
  let beyondFive = 0;
  let loss = 0;
  for (const [row, index] of indices.entries()) {
    const truth = labels[index]!;
    const order = ranking(predictions, row);
    confusion[truth]![order[0]!]!++;
    loss -= Math.log(Math.max(1e-30, probabilities[row * classes + truth]!));
    if (order[0] !== truth) {
      wrong.push({ row, sure: probabilities[row * classes + order[0]!]! });
    }
    if (!order.slice(0, 5).includes(truth)) beyondFive++;
  }
  const count = indices.length;
  return {
    count,
    top1Error: wrong.length / count,
    top5Error: classes > 5 ? beyondFive / count : null,
    loss: loss / count,
    classes: names.map((name, label) => {
      const row = confusion[label]!;
      const total = row.reduce((sum, n) => sum + n, 0);
      return { name, count: total, accuracy: total === 0 ? null : row[label]! / total };
    }),
    confusion,
    mistakes: wrong.sort((a, b) => b.sure - a.sure || a.row - b.row).map(({ row }) => row),
  };
}

/** The scores as `--json` prints them; errors in per cent, as papers do. */
export const metricsOf = (scores: Scores): { [key: string]: Json } => ({
  error: 100 * scores.top1Error,
  accuracy: 100 * (1 - scores.top1Error),
  top5Error: scores.top5Error === null ? null : 100 * scores.top5Error,
  loss: scores.loss,
  images: scores.count,
  perClass: Object.fromEntries(
    scores.classes.map(({ name, accuracy }) => [name, accuracy === null ? null : 100 * accuracy]),
  ),
  confusion: scores.confusion,
});

/** Our test error beside what others published. */
export function resultTable(
  set: Pick<ImageSet, "title" | "published" | "notes">,
  model: string,
  scores: Scores,
): Table {
  return {
    caption: `Test error, ${set.title}`,
    columns: [
      { key: "name", label: "Network" },
      { key: "error", label: "Error", unit: "%", digits: 2, best: "min" },
      ...(scores.top5Error === null
        ? []
        : [{ key: "top5", label: "Not in the first five", unit: "%", digits: 2 }]),
      { key: "source", label: "Source" },
    ],
    rows: [
      {
        kind: "model",
        cells: {
          name: model,
          error: 100 * scores.top1Error,
          top5: scores.top5Error === null ? null : 100 * scores.top5Error,
          source: `here, ${scores.count} test images`,
        },
      },
      ...set.published.map(({ name, error, source }) => ({
        kind: "published" as const,
        cells: { name, error, source },
      })),
    ],
    notes: set.published.length > 0 ? set.notes : [],
  };
}

/** The classes that were recognised least, the worst first. */
export const worstClasses = (scores: Scores) =>
  scores.classes
    .flatMap(({ name, count, accuracy }) => (accuracy === null ? [] : [{ name, count, accuracy }]))
    .sort((a, b) => a.accuracy - b.accuracy);
