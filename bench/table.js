// README's tables, made from the committed results: `node bench/table.js` prints the forecasts,
// `node bench/table.js classify` the classifiers, `node bench/table.js sentiment` the judges of sentences,
// `node bench/table.js compose` what composes, `node bench/table.js caption` what describes pictures,
// `node bench/table.js generate` what writes.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const pathOf = (name) => fileURLToPath(new URL(`results/${name}.json`, import.meta.url));
const read = (name) => JSON.parse(readFileSync(pathOf(name), "utf8"));

function forecastTable() {
  const { machine, results } = read("forecast");
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
  return `${lines.join("\n")}\n${madeOn(machine)}`;
}

const madeOn = ({ cpu, cores, node }) => `Seed 1, ${cores} cores of ${cpu.trim()}, Node ${node}.\n`;

/** The same for runs of which some were made on another machine: each machine with its runs. */
function madeOnEach(machine, runs) {
  const places = new Map();
  for (const [name, run] of Object.entries(runs)) {
    const { cpu, cores, threads = cores, node } = run.machine ?? machine;
    const unit = threads === 1 ? "thread" : threads < cores ? "threads" : "cores";
    const place = `${threads} ${unit} of ${cpu.trim()}, Node ${node}`;
    places.set(place, [...(places.get(place) ?? []), name]);
  }
  if (places.size === 1) return `Seed 1, ${[...places.keys()][0]}.\n`;
  return `Seed 1; ${Array.from(places, ([place, names]) => `${names.join(", ")}: ${place}`).join("; ")}.\n`;
}

const line = (cells) => `| ${cells.join(" | ")} |`;

function classifyTable() {
  const present = ["mnist", "gtsrb", "cifar"].filter((name) =>
    existsSync(pathOf(`classify-${name}`)),
  );
  const runs = present.map((name) => read(`classify-${name}`));
  const { machine, result } = read("classify-finetune");
  const trained = runs.map(({ result: run }) => {
    const data = / --data (\S+)/.exec(run.command)[1];
    const { model, parameters, testError, epochs, seconds } = run;
    return line([
      data,
      model,
      parameters,
      `${testError.toFixed(2)} %`,
      epochs,
      `${seconds.toFixed(0)} s`,
    ]);
  });
  const names = {
    frozen: "weights of the other classes, only the last layer trained",
    tuned: "weights of the other classes, all trained further",
    scratch: "a fresh start, as many steps of the same work",
    longer: "a fresh start, twice as many",
  };
  const tuned = Object.entries(names).map(([key, name]) => {
    const { testError, epochs, seconds } = result[key];
    return line([name, `${testError.toFixed(2)} %`, epochs, `${seconds.toFixed(1)} s`]);
  });
  return [
    line(["data", "network", "parameters", "test error", "epochs", "trained in"]),
    line(Array(6).fill("---")),
    ...trained,
    "",
    line(["21 kinds of signs, 3 images of each", "test error", "epochs", "trained in"]),
    line(Array(4).fill("---")),
    ...tuned,
    "",
    madeOn(machine),
  ].join("\n");
}

function sentimentTable() {
  const { machine, models, baselines } = read("sentiment");
  const scores = ({ accuracy, binary }) =>
    [accuracy, binary].map((part) => (100 * part).toFixed(1));
  return [
    line(["Stanford Sentiment Treebank", "5 classes, %", "binary, %", "parameters", "trained in"]),
    line(Array(5).fill("---")),
    ...Object.entries(models).map(([name, row]) =>
      line([name, ...scores(row), row.parameters, `${row.seconds.toFixed(0)} s`]),
    ),
    ...Object.entries(baselines).map(([name, row]) => line([name, ...scores(row), "-", "-"])),
    "",
    madeOn(machine),
  ].join("\n");
}

function composeTable() {
  const { machine, runs } = read("compose");
  const { tunes, rolls } = runs;
  const { baselines, published } = rolls.metrics;
  const nats = (value) => (value === undefined ? "-" : value.toFixed(3));
  const roll = (name, validation, test, parameters = "-", seconds = undefined) =>
    line([
      name,
      nats(validation),
      nats(test),
      parameters,
      seconds ? `${seconds.toFixed(0)} s` : "-",
    ]);
  const ours = (name, { validation, metrics, parameters, seconds }) =>
    roll(name, validation, metrics.nll, parameters, seconds);
  const { rules, free, test } = tunes.metrics;
  const written = (name, { valid, bars, wholeTunes, copiedPhrases, onTonic }) => {
    const shares = [valid, bars, wholeTunes, onTonic, copiedPhrases];
    return line([name, ...shares.map((share) => (100 * share).toFixed(1))]);
  };
  return [
    line(["piano rolls, nats per step", "validation", "test", "parameters", "trained in"]),
    line(Array(5).fill("---")),
    ours("LSTM of 256 units that recalls 256 steps", rolls),
    ours("LSTM of 38 units, trained as published", runs.published),
    ...published
      .toReversed()
      .map((one) => roll(`published: ${one.name}`, one.validation, one.perStep)),
    roll("keys kept or begun, two probabilities", undefined, baselines.kept.perStep),
    roll("constant key frequencies", undefined, baselines.constant.perStep),
    "",
    line([
      ...[`${rules.tunes} tunes written`, "valid ABC, %", "bars that add up, %"],
      ...["tunes whose bars all do, %", "end on the tonic, %", "phrases copied, %"],
    ]),
    line(Array(6).fill("---")),
    written("by the rules", rules),
    written("freely", free),
    written(`the ${test.tunes} test tunes themselves`, test),
    "",
    `The model of tunes has ${tunes.parameters} parameters and was trained in ${tunes.seconds.toFixed(0)} s: ` +
      `${nats(tunes.metrics.nats)} nats per token on the test tunes, counting ${nats(tunes.metrics.baseline)}. ` +
      madeOnEach(machine, runs),
  ].join("\n");
}

function captionTable() {
  const { machine, runs } = read("caption");
  const scores = ({ bleu, intervals, distinct }) => [
    ...bleu.map((value) => value.toFixed(1)),
    intervals[3].map((value) => value.toFixed(1)).join(" to "),
    distinct,
  ];
  const [{ metrics }] = Object.values(runs);
  // Two baselines lie in each model's own eyes.
  const own = ["the model, shown the average picture", "nearest picture's caption"];
  const rows = Object.entries(runs).flatMap(([name, run]) => [
    line([name, ...scores(run.metrics), run.parameters, `${run.seconds.toFixed(0)} s`]),
    ...own.map((baseline) =>
      line([`${name}: ${baseline}`, ...scores(run.metrics.baselines[baseline]), "-", "-"]),
    ),
  ]);
  const others = Object.entries(metrics.baselines).filter(([name]) => !own.includes(name));
  return [
    line([
      ...["100 test pictures", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "BLEU-4, 95 %"],
      ...["different captions", "parameters", "trained in"],
    ]),
    line(Array(9).fill("---")),
    ...rows,
    ...others.map(([name, baseline]) => line([name, ...scores(baseline), "-", "-"])),
    "",
    madeOnEach(machine, runs),
  ].join("\n");
}

function translateTable() {
  const { machine, runs } = read("translate");
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const rows = Object.values(runs).map(({ command, metrics, parameters, seconds }) => {
    const [, data, model] = /--data (\S+) --model (\S+)/.exec(command);
    const scores = [metrics.exact, metrics.errorRate].map(percent);
    return line([data, model, ...scores, parameters, `${seconds.toFixed(0)} s`]);
  });
  const numbers = Object.values(runs).filter(({ command }) => command.includes("--data numbers"));
  const lengths = Object.keys(numbers[0].metrics.by.digits);
  const byLength = numbers.map(({ command, metrics }) => {
    const exact = lengths.map((length) => percent(metrics.by.digits[length].exact));
    return line([/--model (\S+)/.exec(command)[1], ...exact]);
  });
  const parsed = runs.dates.metrics.baselines["JavaScript's Date.parse"];
  return [
    line([
      `${runs.dates.metrics.pairs} test pairs`,
      ...["model", "wholly right", "characters wrong", "parameters", "trained in"],
    ]),
    line(Array(6).fill("---")),
    ...rows,
    line([
      "dates",
      "JavaScript's Date.parse",
      ...[parsed.exact, parsed.errorRate].map(percent),
      "-",
      "-",
    ]),
    "",
    line(["numbers, wholly right", ...lengths.map((length) => `${length} digits`)]),
    line(Array(lengths.length + 1).fill("---")),
    ...byLength,
    "",
    madeOnEach(
      machine,
      // By the names of the rows.
      Object.fromEntries(
        Object.values(runs).map((run) => [
          /--data .*(?= --seed)/
            .exec(run.command)[0]
            .replace("--data ", "")
            .replace(" --model ", " by "),
          run,
        ]),
      ),
    ),
  ].join("\n");
}

function namesTable() {
  const { machine, runs } = read("names");
  const scores = ({ accuracy, balanced }) => [accuracy, balanced].map((s) => (100 * s).toFixed(1));
  const [{ metrics }] = Object.values(runs);
  return [
    line([
      `${metrics.names} test surnames`,
      ...["right, %", "mean of the languages, %", "parameters", "trained in"],
    ]),
    line(Array(5).fill("---")),
    ...Object.entries(runs).map(([name, run]) =>
      line([name, ...scores(run.metrics), run.parameters, `${run.seconds.toFixed(0)} s`]),
    ),
    ...Object.entries(metrics.baselines).map(([name, row]) =>
      line([name, ...scores(row), "-", "-"]),
    ),
    "",
    madeOnEach(machine, runs),
  ].join("\n");
}

function generateTable() {
  const { machine, results } = read("generate");
  const rows = ["characters", "words"].flatMap((unit) => {
    if (!results[unit]) return [];
    const { train, metrics } = results[unit];
    const scores = ({ nats, perplexity, natsPerCharacter }) => {
      const perCharacter = unit === "characters" ? nats : natsPerCharacter;
      return [nats.toFixed(3), perplexity.toFixed(1), perCharacter?.toFixed(3) ?? "-"];
    };
    return [
      line([unit, "LSTM", ...scores(metrics), train.parameters, `${train.seconds.toFixed(0)} s`]),
      ...Object.entries(metrics.baselines).map(([name, row]) =>
        line([unit, name, ...scores(row), "-", "-"]),
      ),
    ];
  });
  const { model, charactersPerSecond } = results.writing;
  const head = ["Tiny Shakespeare's last tenth", "model", "nats", "perplexity"];
  return [
    line([...head, "nats a character", "parameters", "trained in"]),
    line(Array(7).fill("---")),
    ...rows,
    "",
    `${model}, writes ${charactersPerSecond.median.toFixed(0)} characters a second. ${madeOn(machine)}`,
  ].join("\n");
}

const tables = {
  generate: generateTable,
  translate: translateTable,
  names: namesTable,
  caption: captionTable,
  compose: composeTable,
  forecast: forecastTable,
  classify: classifyTable,
  sentiment: sentimentTable,
};
process.stdout.write(tables[process.argv[2] ?? "forecast"]());
