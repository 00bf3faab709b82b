export { escapeHtml } from "./markup.ts";
export * from "./plots.ts";
export { type Notice, Report, type ReportOptions } from "./report.ts";
