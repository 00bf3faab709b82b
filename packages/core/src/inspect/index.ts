export { type Bptt, type BpttLoop, type BpttOptions, bptt } from "./bptt.ts";
export { bpttText } from "./bpttText.ts";
export { type GateValues, gates, type LoopGates, rankUnits, type UnitRank } from "./gates.ts";
export { type GradientFlow, gradientFlow } from "./gradientFlow.ts";
export { notices } from "./notices.ts";
export {
  type LayerSummary,
  type Summary,
  type SummaryInput,
  type SummaryOptions,
  summary,
} from "./summary.ts";
export { summaryText } from "./text.ts";
