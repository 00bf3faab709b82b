import type { ImagePool } from "../classify/images/pool.ts";
import { bestForAll, frequentWords, nearestCaptions } from "./baselines.ts";
import type { CaptionSet } from "./captions.ts";
import { pictureDataset } from "./dataset.ts";
import { averageOf, type Description, describeAll, lookAt, meanFeatures } from "./describing.ts";
import type { RunState } from "./runState.ts";
import { type Scored, score } from "./scores.ts";
import { captionsOf, compileNats } from "./training.ts";

/** A captioner beside its baselines, on the test part. */
export interface Judged {
  /** The model's first. */
  readonly rows: readonly [Scored, ...Scored[]];
  readonly said: readonly Description[];
  readonly nearest: ReturnType<typeof nearestCaptions>;
  /** Mean cross entropy of a word. */
  readonly nats: number;
}

export interface EvaluationInput {
  readonly set: CaptionSet;
  readonly state: RunState;
  readonly pool: ImagePool;
  readonly beam: number;
  /** Of the bootstrap. */
  readonly seed: number;
}

export async function evaluateCaptions(input: EvaluationInput): Promise<Judged> {
  const { set, state, pool, beam, seed } = input;
  const { network, words, preprocessing, maxLength } = state;
  const look = (indices: Int32Array) =>
    lookAt(network, pictureDataset({ pictures: set.pictures, indices, preprocessing, pool }));
  const [seen, asked] = [await look(set.train), await look(set.test)];
  const options = { words, beam, maxLength };
  const said = await describeAll(network, asked, options);
  const [blind] = await describeAll(network, averageOf(seen), options);
  const nearest = nearestCaptions(set, meanFeatures(seen), meanFeatures(asked));
  const always = (one: readonly string[]) => Array.from(set.test, () => one);
  const note = (one: readonly string[]) => `"${one.join(" ")}"`;
  const systems = [
    { name: "nearest picture's caption", captions: nearest.map(({ words: own }) => own) },
    ...[
      { name: "the model, shown the average picture", one: blind.words },
      { name: "best caption for all", one: bestForAll(set) },
      { name: "most frequent words", one: frequentWords(set) },
    ].map(({ name, one }) => ({ name, captions: always(one), note: note(one) })),
  ];
  const model = { name: network.spec.model, captions: said.map((one) => one.words) };
  const measure = await compileNats(network, captionsOf({ ...input, ...state }, set.test));
  return {
    rows: [
      score(set, set.test, { ...model, kind: "model", note: `beam of ${beam}` }, seed),
      ...systems.map((one) => score(set, set.test, { ...one, kind: "baseline" }, seed)),
    ],
    ...{ said, nearest },
    nats: await measure(),
  };
}
