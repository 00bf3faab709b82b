import { compileScore, type LanguageModel, longestContext, NGram } from "../language/index.ts";
import type { Row, Table } from "../table.ts";
import type { Json } from "../task.ts";
import type { TuneCorpus, TuneTokens } from "./abc/corpus.ts";
import { Copies, type Quality, qualityOf } from "./abc/quality.ts";
import { writeTunes } from "./abc/writing.ts";
import { constantKeys, keptKeys } from "./roll/baselines.ts";
import type { RollModel } from "./roll/model.ts";
import type { RollCorpus } from "./roll/rolls.ts";
import { compileRollScore, type RollScore } from "./roll/scoring.ts";

/** What a model is worth. */
export interface Evaluation {
  readonly tables: readonly Table[];
  readonly metrics: { readonly [key: string]: Json };
  /** Where it is worth less than something simple. */
  readonly warnings: readonly string[];
}

/** How the tunes that are judged are drawn. */
export const SAMPLING = { temperature: 0.9, seed: 1 } as const;

interface Judged {
  readonly name: string;
  readonly kind: NonNullable<Row["kind"]>;
  readonly quality: Quality;
}

/** Nats of a token on the test tunes, and what `samples` written tunes are like. */
export async function evaluateTunes(
  state: { readonly model: LanguageModel; readonly vocabulary: TuneTokens },
  { title, train, validation, test }: TuneCorpus,
  samples: number,
): Promise<Evaluation> {
  const { model, vocabulary } = state;
  const [seen, ids] = [vocabulary.encode([...train, ...validation]), vocabulary.encode(test)];
  const nats = await (await compileScore(model))(ids, 1, ids.length);
  const context = Math.min(3, longestContext(vocabulary.size));
  const all = vocabulary.encode([...train, ...validation, ...test]);
  const counting = new NGram(seen, vocabulary.size, context).score(all, seen.length, all.length);
  const copies = new Copies(train);
  const wish = { ...SAMPLING, count: samples };
  const judged: Judged[] = [
    {
      name: "written, by the rules",
      kind: "model",
      quality: qualityOf(await writeTunes(model, vocabulary, wish), copies),
    },
    {
      name: "written freely",
      kind: "model",
      quality: qualityOf(await writeTunes(model, vocabulary, { ...wish, free: true }), copies),
    },
    { name: "the test tunes themselves", kind: "baseline", quality: qualityOf(test, copies) },
  ];
  const kind = model.options.kind;
  return {
    tables: [
      {
        caption: `${title}: the test tunes`,
        columns: [
          { key: "method", label: "method" },
          { key: "nats", label: "nats per token", digits: 4, best: "min" },
        ],
        rows: [
          { kind: "model", cells: { method: kind, nats } },
          {
            kind: "baseline",
            cells: { method: `Witten-Bell, ${context} tokens before`, nats: counting },
          },
        ],
        notes: ["A token is a note with its length, a chord, a line or a sign."],
      },
      qualityTable(judged),
    ],
    metrics: {
      nats,
      baseline: counting,
      rules: { ...judged[0]!.quality },
      free: { ...judged[1]!.quality },
      test: { ...judged[2]!.quality },
    },
    warnings: nats < counting ? [] : [`${kind} does not beat counting the last ${context} tokens.`],
  };
}

function qualityTable(judged: readonly Judged[]): Table {
  const percent = (value: number) => 100 * value;
  return {
    caption: `${judged[0]!.quality.tunes} tunes written at temperature ${SAMPLING.temperature}`,
    columns: [
      { key: "tunes", label: "tunes" },
      { key: "valid", label: "valid ABC, %", digits: 1 },
      { key: "bars", label: "bars that add up, %", digits: 2 },
      { key: "whole", label: "tunes whose bars all do, %", digits: 1 },
      { key: "copied", label: "phrases copied, %", digits: 1 },
      { key: "run", label: "longest copy, bars", digits: 0 },
      { key: "tonic", label: "end on the tonic, %", digits: 1 },
    ],
    rows: judged.map(({ name, kind, quality }) => ({
      kind,
      cells: {
        tunes: name,
        valid: percent(quality.valid),
        bars: percent(quality.bars),
        whole: percent(quality.wholeTunes),
        copied: percent(quality.copiedPhrases),
        run: quality.longestRun,
        tonic: percent(quality.onTonic),
      },
    })),
    notes: [
      "Valid: abcjs reads it without a warning. By the rules: at each place only tokens that can stand there in ABC and let the bar add up are drawn; freely: from all tokens.",
      "A phrase is eight bars in a row; it is copied where a training tune has the same notes and lengths. Pick-ups and bars cut by a section's line count as right where the parts make one bar.",
    ],
  };
}

/** Published for one layer, RMSProp 1e-3 with momentum 0.9, one tune at a time, 100 epochs, on these files. */
const publishedRolls = [
  { name: "tanh RNN, 100 units", validation: 3.3997, perStep: 3.5345 },
  { name: "GRU, 46 units", validation: 2.7426, perStep: 2.7628 },
  { name: "LSTM, 38 units", validation: 2.5266, perStep: 2.5464 },
];

/** Negative log-likelihood of the test rolls, beside what is simple and what is published. */
export async function evaluateRolls(
  model: RollModel,
  { title, source, train, test }: RollCorpus,
): Promise<Evaluation> {
  const score = await (await compileRollScore(model))(test);
  const constant = constantKeys(train, test);
  const kept = keptKeys(train, test);
  const { kind, hidden, layers } = model.options;
  const row = (name: string, rowKind: NonNullable<Row["kind"]>, one: Partial<RollScore>): Row => ({
    kind: rowKind,
    cells: { method: name, perStep: one.perStep ?? null, perRoll: one.perRoll ?? null },
  });
  const better = score.perStep < kept.perStep;
  return {
    tables: [
      {
        caption: `${title}: the test rolls`,
        columns: [
          { key: "method", label: "method" },
          { key: "perStep", label: "nats per step", digits: 4, best: "min" },
          { key: "perRoll", label: "mean over tunes", digits: 4, best: "min" },
        ],
        rows: [
          row(`${kind}, ${layers} x ${hidden}`, "model", score),
          row("keys kept or begun, two probabilities", "baseline", kept),
          row("constant key frequencies", "baseline", constant),
          ...publishedRolls.map(({ name, perStep }) => row(name, "published", { perStep })),
        ],
        notes: [
          "Negative log-likelihood of the next step, summed over 88 keys. Nats per step: the mean over all steps of all tunes, as published (locuslab/TCN: poly_music/music_test.py); beside it the mean over tunes of each tune's mean. The first step of a tune is not predicted.",
          "Published: 395t/coding-assignment-week-6-seq-1: README.md; 23 to 28 thousand parameters, 100 epochs of RMSProp with momentum, one tune at a time.",
        ],
      },
    ],
    metrics: {
      nll: score.perStep,
      nllPerTune: score.perRoll,
      baselines: { kept: { ...kept }, constant: { ...constant } },
      published: publishedRolls,
      data: source,
    },
    warnings: better ? [] : [`${kind} does not beat "keys kept or begun".`],
  };
}
