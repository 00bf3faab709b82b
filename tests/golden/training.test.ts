import { data, evaluate, gradients, optim, Parameter, Trainer } from "tensorlane";
import { describe, expect, test } from "vitest";
import { asTensor, readJson } from "./files.ts";
import { Fill } from "./fill.ts";
import { Keywords } from "./keywords.ts";
import { makeOptimizer, type TrainingState, update } from "./optimizers.ts";
import { type Case, makeTask } from "./tasks.ts";
import { expectClose, trainingTolerance } from "./tolerance.ts";

const { salt, cases } = readJson<{ salt: string; cases: readonly Case[] }>("training.json");
const fill = new Fill(salt);

interface Run {
  readonly losses: number[];
  /** undefined where a step did not measure it. */
  readonly norms: (number | undefined)[];
}
const optimizerOf = ({ optimizer, config }: Case) =>
  makeOptimizer(optimizer, new Keywords(optimizer, config));

/** Gradients and updates put together by hand: one graph, run with the state of the step before. */
async function byHand(golden: Case): Promise<Run> {
  const { model, batch, loss: lossOf } = makeTask(golden, fill);
  const leaves = Object.entries(batch).map(([name, value]) => [name, asTensor(value)] as const);
  const loss = lossOf(Object.fromEntries(leaves));
  const parameters = model.parameters();
  const optimizer = optimizerOf(golden);
  const slots = parameters.map(({ shape, data: { length } }) =>
    Object.fromEntries(
      optimizer.slots.map(({ name, initial }) => [
        name,
        new Parameter(new Float32Array(length).fill(initial), shape),
      ]),
    ),
  );
  const step = new Parameter(new Float32Array(1), []);
  const grads = gradients(loss, parameters);
  const { clipped, totalNorm } = optim.clipGradNorm(grads, golden.clip_norm ?? Infinity);
  const next = update(optimizer, { parameters, slots }, clipped, step);
  const flat = (state: TrainingState) => [
    ...state.parameters,
    ...state.slots.flatMap((own) => optimizer.slots.map(({ name }) => own[name])),
  ];
  const run: Run = { losses: [], norms: [] };
  for (let k = 1; k <= golden.steps; k++) {
    step.data[0] = k;
    const [l, norm, ...after] = await evaluate([loss, totalNorm, ...flat(next)]);
    run.losses.push(Number(l.data[0]));
    run.norms.push(Number(norm.data[0]));
    for (const [i, leaf] of flat({ parameters, slots }).entries()) {
      (leaf as Parameter).data = after[i].data;
    }
  }
  return run;
}

/** The library's own loop: an epoch is one batch. */
async function byTrainer(golden: Case): Promise<Run> {
  const { model, batch, loss } = makeTask(golden, fill);
  const arrays = Object.entries(batch).map(([name, { data, shape }]) => [name, { data, shape }]);
  const loader = new data.DataLoader(new data.ArrayDataset(Object.fromEntries(arrays)), {
    batchSize: golden.batch,
  });
  const run: Run = { losses: [], norms: [] };
  const trainer = new Trainer(model, {
    loss: (_, fields) => loss(fields),
    optimizer: optimizerOf(golden),
    clipNorm: golden.clip_norm,
    callbacks: [
      {
        onStep: (event) => {
          run.losses.push(event.loss);
          run.norms.push(event.gradNorm);
        },
      },
    ],
  });
  await trainer.fit(loader, { epochs: golden.steps });
  return run;
}

const ways = { "by hand": byHand, "by the Trainer": byTrainer };

for (const [way, train] of Object.entries(ways)) {
  describe(way, () => {
    test.for(cases)("$name", async (golden) => {
      const { losses, norms } = await train(golden);
      expect(losses.length, "steps").toBe(golden.steps);
      expect(golden.losses.length, "recorded losses").toBe(golden.steps);
      for (const [k, expected] of golden.losses.entries()) {
        const limit = trainingTolerance(golden.float32_error, k);
        const norm = norms[k];
        expectClose(`loss of step ${k}`, [losses[k]], [expected], limit.loss);
        if (golden.clip_norm !== undefined) expect(norm, `norm of step ${k}`).toBeDefined();
        if (norm === undefined) continue;
        expectClose(`norm of step ${k}`, [norm], [golden.grad_norms[k]], limit.norm);
      }
    });
  });
}
