// README's table of forecasts, made from the committed results: `node bench/table.js` prints it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @param {string} path of forecast.json */
export function forecastTable(
  path = fileURLToPath(new URL("results/forecast.json", import.meta.url)),
) {
  const { machine, results } = JSON.parse(readFileSync(path, "utf8"));
  const lines = [];
  for (const { data, models, baselines } of results) {
    const horizons = Object.keys(Object.values(models)[0].horizons);
    const shown = horizons.length > 1 ? [horizons[0], horizons.at(-1)] : horizons;
    const rows = [...Object.entries(models), ...Object.entries(baselines)];
    lines.push(
      `| ${data} | ${shown.map((at) => `RMSE / MAE at ${at}`).join(" | ")} | parameters | trained in |`,
      `| --- | ${shown.map(() => "---").join(" | ")} | --- | --- |`,
      ...rows.map(([name, row]) => {
        const scores = shown.map((at) => {
          const { rmse, mae } = row.horizons[at];
          return `${rmse.toFixed(3)} / ${mae.toFixed(3)}`;
        });
        const cost = row.parameters ? `${row.parameters} | ${row.seconds.toFixed(0)} s` : "- | -";
        return `| ${name} | ${scores.join(" | ")} | ${cost} |`;
      }),
      "",
    );
  }
  const { cpu, cores, node } = machine;
  return `${lines.join("\n")}\nSeed 1, ${cores} cores of ${cpu.trim()}, Node ${node}.\n`;
}

process.stdout.write(forecastTable());
