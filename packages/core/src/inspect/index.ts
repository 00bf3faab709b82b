export { type GradientFlow, gradientFlow } from "./gradientFlow.ts";
export {
  type LayerSummary,
  type Summary,
  type SummaryInput,
  type SummaryOptions,
  summary,
} from "./summary.ts";
export { summaryText } from "./text.ts";
