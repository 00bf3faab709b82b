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
