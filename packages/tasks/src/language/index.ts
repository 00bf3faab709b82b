export { type BeamOptions, beamSearch, type Hypothesis, type Stepper } from "./beam.ts";
export { CarriedModel, CarriedState } from "./carried.ts";
export {
  LanguageModel,
  type LanguageModelOptions,
  type ModelState,
  type RecurrentKind,
  type Softmax,
  tokenLoss,
} from "./model.ts";
export { longestContext, NGram } from "./ngram.ts";
export { checkSampling, pick, probabilities, type Sampling } from "./sampler.ts";
export { compileScore, type Score } from "./scoring.ts";
export { exportStep, type GenerateOptions, generate, StepModel } from "./step.ts";
export { type Corpus, openText, readCorpus, readWith, type TextSource } from "./text.ts";
export { type TokenIds, tokensOf, UNKNOWN, type Unit, Vocabulary } from "./vocabulary.ts";
export { streamsFor, TokenWindows, windowFields, windowLoader, windowsIn } from "./windows.ts";
