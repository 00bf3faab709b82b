import { UserError } from "../errors.ts";
import { LanguageModel, type RecurrentKind } from "../language/index.ts";
import type { Network } from "../task.ts";
import { recipeFor } from "./recipe.ts";

/** Different tokens of the Nottingham tunes. */
const TOKENS = 515;

const titles: Readonly<Record<RecurrentKind, readonly [title: string, paper: string]>> = {
  lstm: [
    "LSTM over ABC",
    "Sturm et al. 2016, Music transcription modelling and composition using deep learning",
  ],
  gru: [
    "GRU over ABC",
    "Chung et al. 2014, Empirical evaluation of gated recurrent neural networks on sequence modeling",
  ],
  rnn: [
    "Elman network over ABC",
    "Boulanger-Lewandowski et al. 2012, Modeling temporal dependencies in high-dimensional sequences",
  ],
};

/** The models of tunes as they are trained on Nottingham: a window of token ids. */
export const networks: readonly Network[] = (Object.keys(titles) as RecurrentKind[]).map((id) => {
  const [title, paper] = titles[id];
  const settings = { data: "", models: [id], seed: 1, quick: false, extra: {} };
  const { model, steps } = recipeFor("abc", id, settings);
  return {
    id,
    title: `${title}, ${model.hidden} units, ${TOKENS} tokens`,
    paper,
    input: [steps],
    build: (input) => {
      if (input.length !== 1) {
        throw new UserError(
          `a model of tunes reads a row of tokens: give its length, such as --input ${steps}.`,
        );
      }
      return {
        model: new LanguageModel({ ...model, tokens: TOKENS }),
        inputs: [{ shape: input, dtype: "int32" }],
      };
    },
  };
});
