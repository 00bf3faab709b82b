import { UserError } from "../errors.ts";
import { LanguageModel, type RecurrentKind } from "../language/index.ts";
import type { Network } from "../task.ts";
import { recipeFor } from "./recipe.ts";

/** Characters of Tiny Shakespeare, and its part that is trained on. */
const [VOCABULARY, LENGTH] = [65, 953_662];

const titles: Readonly<Record<RecurrentKind, readonly [title: string, paper: string]>> = {
  lstm: ["LSTM language model", "Hochreiter & Schmidhuber 1997, Long short-term memory"],
  gru: [
    "GRU language model",
    "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder for statistical machine translation",
  ],
  rnn: [
    "Elman language model",
    "Mikolov et al. 2010, Recurrent neural network based language model",
  ],
};

/** The language models as they are trained on Tiny Shakespeare: a window of character ids. */
export const networks: readonly Network[] = (Object.keys(titles) as RecurrentKind[]).map((id) => {
  const [title, paper] = titles[id];
  const settings = { data: "", models: [id], seed: 1, quick: false, extra: {} };
  const { model, steps } = recipeFor(id, VOCABULARY, LENGTH, settings);
  return {
    id,
    title: `${title}, ${model.hidden} units, ${VOCABULARY} characters`,
    paper,
    input: [steps],
    build: (input) => {
      if (input.length !== 1) {
        throw new UserError(
          `${id} reads a window of character ids, such as ${steps}; received ${input.join("x")}.`,
        );
      }
      return { model: new LanguageModel(model), inputs: [{ shape: input, dtype: "int32" }] };
    },
  };
});
