import { UserError } from "../errors.ts";
import type { RecurrentKind } from "../language/index.ts";
import type { Network } from "../task.ts";
import { recipeFor } from "./recipe.ts";
import { RollModel } from "./roll/model.ts";
import { KEYS } from "./roll/rolls.ts";

const titles: Readonly<Record<RecurrentKind, readonly [title: string, paper: string]>> = {
  lstm: ["LSTM over piano rolls", "Greff et al. 2017, LSTM: A search space odyssey"],
  gru: [
    "GRU over piano rolls",
    "Chung et al. 2014, Empirical evaluation of gated recurrent neural networks on sequence modeling",
  ],
  rnn: [
    "Elman network over piano rolls",
    "Boulanger-Lewandowski et al. 2012, Modeling temporal dependencies in high-dimensional sequences",
  ],
};

/** The models of piano rolls as they are trained: a window of keys. */
export const networks: readonly Network[] = (Object.keys(titles) as RecurrentKind[]).map((id) => {
  const [title, paper] = titles[id];
  const settings = { data: "", models: [id], seed: 1, quick: false, extra: {} };
  const { model, steps, memory } = recipeFor("roll", id, settings);
  return {
    id,
    title: `${title}, ${model.hidden} units, that recalls ${memory} steps`,
    paper,
    remark:
      "Over tunes in ABC it has an input and an output for each different token of the tunes.",
    input: [steps, KEYS],
    build: (input) => {
      if (input.length !== 2 || input[1] !== KEYS) {
        throw new UserError(
          `a model of piano rolls reads steps of ${KEYS} keys: give their number, such as ` +
            `--input ${steps}x${KEYS}; received ${input.join("x")}.`,
        );
      }
      return {
        model: new RollModel({ ...model, memory }),
        inputs: [{ shape: input, dtype: "float32" }],
      };
    },
  };
});
