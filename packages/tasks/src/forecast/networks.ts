import { UserError } from "../errors.ts";
import type { Network } from "../task.ts";
import { channelsOf, contextOf } from "./features.ts";
import { Forecaster, type ModelName, recipes, usesGraph } from "./models.ts";

/** Steps of input and output of the default protocol: an hour each, by 5 minutes. */
const [stepsIn, stepsOut] = [12, 12];

const papers: Partial<Record<ModelName, string>> = {
  rnn: "Elman 1990, Finding structure in time",
  lstm: "Hochreiter & Schmidhuber 1997, Long short-term memory",
  gru: "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder for statistical machine translation",
  bilstm:
    "Graves & Schmidhuber 2005, Framewise phoneme classification with bidirectional LSTM networks",
};

/** The forecasters as they are trained: a window of one sensor (steps, channels), and its context. */
export const networks: readonly Network[] = (Object.keys(recipes) as ModelName[]).map((id) => {
  const graph = usesGraph(id);
  const shape = (sensors: number) => ({
    stepsIn,
    stepsOut,
    graph,
    names: Array.from({ length: sensors }, (_, i) => `sensor ${i}`),
  });
  const [alone, among] = [channelsOf(shape(1)), channelsOf(shape(2))];
  return {
    id,
    title: recipes[id].summary,
    ...(papers[id] && { paper: papers[id] }),
    input: [stepsIn, among],
    build: (input) => {
      const [steps, channels] = input;
      if (input.length !== 2 || (channels !== alone && channels !== among)) {
        throw new UserError(
          `${id} reads a window of steps x channels, such as ${stepsIn}x${among}: ` +
            `${among} channels, or ${alone} where there is one sensor; received ${input.join("x")}.`,
        );
      }
      const settings = { ...shape(channels === alone ? 1 : 2), stepsIn: steps! };
      return {
        model: new Forecaster(id, settings),
        inputs: [input, [contextOf(settings)]],
      };
    },
  };
});
