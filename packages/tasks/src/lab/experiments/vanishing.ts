import { inspect, nn, tensor } from "tensorlane";
import { lossCurves } from "../../report/index.ts";
import { type Bench, type Curve, last, percent, significant } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import {
  type CellName,
  cellTitles,
  isSolved,
  MemoryNet,
  type MemoryPlan,
  memoryLoss,
  memorySet,
  type Problem,
  trainMemory,
} from "../memory.ts";

type Plan = MemoryPlan & {
  readonly clipNorm: number;
  readonly adding: readonly number[];
  readonly copy: readonly number[];
};

type Run = {
  readonly problem: Problem;
  readonly cell: CellName;
  readonly length: number;
  readonly curve: Curve;
};

export type VanishingResult = {
  /** Norm of dE_T/dS_k for each step k of the longest adding problem, before training and after. */
  readonly gradients: {
    readonly [cell in CellName]: {
      readonly before: readonly number[];
      readonly after: readonly number[];
    };
  };
  readonly runs: readonly Run[];
};

const cells = Object.keys(cellTitles) as CellName[];

/** Part of the gradient at the last step that arrives at the first one. */
export const arriving = (norms: readonly number[]): number => norms[0]! / norms.at(-1)!;

/** The longest length at which a cell solved a problem; 0 where it solved none. */
export const longestSolved = (runs: readonly Run[], problem: Problem, cell: CellName): number =>
  Math.max(
    0,
    ...runs
      .filter((run) => run.problem === problem && run.cell === cell && isSolved(run.curve))
      .map(({ length }) => length),
  );

/** How the loss of the last step reaches back, for a few sequences. */
async function gradientOverTime(net: MemoryNet, bench: Bench, plan: Plan): Promise<number[]> {
  const length = Math.max(...plan.adding);
  const { x, y } = memorySet("adding", length, plan, 16, bench.seed + 7).get(
    Int32Array.of(...Array(16).keys()),
  );
  const fields = { x: tensor(x!.data, x!.shape), y: tensor(y!.data, y!.shape) };
  const { loss } = memoryLoss("adding", net, fields);
  const { loops } = await inspect.bptt(net, loss, { jacobian: false });
  return Array.from(loops[0]!.state, significant);
}

export const vanishing: Experiment<Plan, VanishingResult> = {
  id: "vanishing",
  title: "Gradients over time: tanh RNN, identity RNN, LSTM, GRU",
  claim: {
    text:
      "The gradient of a plain recurrent network vanishes over many steps, so it does not learn what lies far back; " +
      "gates (LSTM, GRU), and a ReLU network that starts from the identity, learn over longer times.",
    source:
      "Bengio, Simard & Frasconi 1994; Hochreiter & Schmidhuber 1997; Le, Jaitly & Hinton 2015, A simple way to " +
      "initialize recurrent networks of rectified linear units",
  },
  setting:
    "The adding problem (mean squared error below 0.01 counts as solved; always answering 1 gives 0.167) and a small copy " +
    "problem whose loss counts the recalled symbols only (99 % right counts as solved), trained by Adam with " +
    "clipping until solved or until the steps are used up. Forget gates start with bias 1.",
  plans: {
    full: {
      ...{ hidden: 64, batch: 32, lr: 2e-3, samples: 20_000, heldSamples: 200 },
      ...{ stepsPerEpoch: 100, epochs: 25, symbols: 5, alphabet: 4, clipNorm: 1 },
      ...{ adding: [20, 50, 100], copy: [5, 20, 50] },
    },
    quick: {
      ...{ hidden: 32, batch: 32, lr: 5e-3, samples: 5000, heldSamples: 100 },
      ...{ stepsPerEpoch: 50, epochs: 4, symbols: 3, alphabet: 4, clipNorm: 1 },
      ...{ adding: [10, 20], copy: [5] },
    },
  },

  async measure(bench, plan) {
    const runs: Run[] = [];
    const gradients: Partial<Record<CellName, { before: number[]; after: number[] }>> = {};
    const longest = Math.max(...plan.adding);
    for (const cell of cells) {
      const { hidden, symbols, alphabet } = plan;
      const before = await bench.once(`gradient-${cell}`, () => {
        nn.manualSeed(bench.seed);
        const net = new MemoryNet({ problem: "adding", cell, hidden, symbols, alphabet });
        return gradientOverTime(net, bench, plan);
      });
      for (const problem of ["adding", "copy"] as const) {
        for (const length of plan[problem]) {
          const curve = await trainMemory(bench, plan, {
            ...{ problem, cell, length, clipNorm: plan.clipNorm },
            name: `${problem}-${cell}-${length}`,
            ...(problem === "adding" &&
              length === longest && { inspect: (net) => gradientOverTime(net, bench, plan) }),
          });
          const { seen, ...rest } = curve;
          if (seen !== undefined) gradients[cell] = { before, after: seen as number[] };
          runs.push({ problem, cell, length, curve: rest });
        }
      }
      // A training that diverged leaves no network to look at.
      gradients[cell] ??= { before, after: [] };
    }
    return { gradients: gradients as VanishingResult["gradients"], runs };
  },

  judge({ gradients, runs }) {
    const start = (cell: CellName) => arriving(gradients[cell].before);
    const reach = (problem: Problem, cell: CellName) => longestSolved(runs, problem, cell);
    const told = (problem: Problem) =>
      cells.map((cell) => `${cellTitles[cell]} ${reach(problem, cell) || "none"}`).join(", ");
    const gated = (problem: Problem) => Math.min(reach(problem, "lstm"), reach(problem, "gru"));
    return [
      {
        expected: "at the start, the gradient of the tanh RNN vanishes (under a millionth arrives)",
        seen: `${start("tanh").toExponential(1)} arrives at the first step`,
        holds: start("tanh") < 1e-6,
      },
      {
        expected: "at the start, more arrives in the LSTM and in the identity RNN",
        seen: `LSTM ${start("lstm").toExponential(1)}, identity RNN ${start("irnn").toExponential(1)}`,
        holds: Math.min(start("lstm"), start("irnn")) > start("tanh"),
      },
      {
        expected: "LSTM and GRU solve longer adding problems than the tanh RNN",
        seen: `longest solved: ${told("adding")}`,
        holds: gated("adding") > reach("adding", "tanh"),
      },
      {
        expected: "so does the identity RNN",
        seen: `longest solved: ${told("adding")}`,
        holds: reach("adding", "irnn") > reach("adding", "tanh"),
      },
      {
        expected: "LSTM and GRU solve longer copy problems than the tanh RNN",
        seen: `longest solved delay: ${told("copy")}`,
        holds: gated("copy") > reach("copy", "tanh"),
      },
    ];
  },

  show({ gradients, runs }) {
    const column = ({ problem, length }: Run) => `${problem} ${length}`;
    const columns = [...new Set(runs.map(column))];
    const cellOf = (curve: Curve) => {
      const { loss, accuracy } = curve.after.held ?? {};
      const value = accuracy ? percent(last(accuracy), 0) : last(loss).toFixed(3);
      if (curve.diverged) return "diverged";
      return isSolved(curve) ? `solved, ${curve.steps} steps` : value;
    };
    return {
      tables: [
        {
          caption: "Steps until solved, or error (adding) and recalled symbols (copy) in the end",
          columns: [
            { key: "name", label: "Network" },
            ...columns.map((label) => ({ key: label, label })),
          ],
          rows: cells.map((cell) => ({
            cells: {
              name: cellTitles[cell],
              ...Object.fromEntries(
                runs
                  .filter((run) => run.cell === cell)
                  .map((run) => [column(run), cellOf(run.curve)]),
              ),
            },
          })),
        },
        {
          caption: "Part of the last step's gradient that arrives at the first step",
          columns: [
            { key: "name", label: "Network" },
            { key: "before", label: "Before training" },
            { key: "after", label: "After" },
          ],
          rows: cells.map((cell) => {
            const { before, after } = gradients[cell];
            return {
              cells: {
                name: cellTitles[cell],
                before: arriving(before).toExponential(1),
                after: after.length > 0 ? arriving(after).toExponential(1) : null,
              },
            };
          }),
        },
      ],
      plots: (["before", "after"] as const).map((when) => ({
        figure: lossCurves({
          curves: cells.map((cell) => ({
            name: cellTitles[cell],
            train: gradients[cell][when].map((norm) => norm || Number.NaN),
          })),
          ...{ label: "norm of dE/dS_k", log: true, countedBy: "step" },
        }),
        caption: `How the loss of the last step reaches the states of all steps, ${when} training.`,
      })),
    };
  },
};
