import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { evaluate, nn, ops, tensor } from "tensorlane";
import { describe, expect, test } from "vitest";
import { constantKeys, keptKeys } from "./baselines.ts";
import { exportRollStep, RollModel, rollLoss, startFromFrequencies } from "./model.ts";
import { Recall } from "./recall.ts";
import { KEYS, readRolls, rollText } from "./rolls.ts";
import { compileRollScore, meansOf } from "./scoring.ts";
import { RollWindows } from "./windows.ts";
import { countSteps, knownSteps, type RollWish, rollNotes, writeRoll } from "./writing.ts";

const options = {
  kind: "lstm",
  hidden: 5,
  layers: 1,
  dropout: 0.5,
  variational: true,
  weightDropout: 0,
  memory: 0,
} as const;

test("rolls are read and written; what is none is refused", () => {
  const text = "39.43 - 39";
  const rolls = readRolls(`${text}\n\n0.87\n`);
  expect(rolls).toEqual([[[39, 43], [], [39]], [[0, 87]]]);
  expect(rollText(rolls[0]!)).toBe(text);
  expect(() => readRolls("1 2\n3.88")).toThrow(/line 2: "3.88" is no step/);
});

test("the loss is the sum over keys of the steps that count, worked out by hand", async () => {
  const logits = new Float32Array(2 * KEYS).fill(-50);
  logits.set([0.5, -1], 0);
  logits.set([2], KEYS);
  const targets = new Float32Array(2 * KEYS);
  targets[0] = 1;
  const wanted = Math.log(1 + Math.exp(-0.5)) + Math.log(1 + Math.exp(-1));
  const second = Math.log(1 + Math.exp(2));
  const loss = async (counts: readonly number[]) => {
    const [value] = await evaluate([
      rollLoss(
        tensor(logits, [2, 1, KEYS]),
        tensor(targets, [1, 2, KEYS]),
        tensor(Float32Array.from(counts), [1, 2, 1]),
      ),
    ]);
    return value!.data[0];
  };
  expect(await loss([1, 1])).toBeCloseTo(wanted + second, 5);
  expect(await loss([1, 0])).toBeCloseTo(wanted, 5);
});

test("means over all steps and over tunes; a single step is not scored", () => {
  const rolls = [
    { sum: 10, steps: 10 },
    { sum: 6, steps: 2 },
    { sum: 0, steps: 0 },
  ];
  expect(meansOf(rolls)).toEqual({ perStep: 16 / 12, perRoll: 2 });
});

test.each([0, 7])(
  "windows side by side score as each roll by itself, recalling %i steps",
  async (memory) => {
    nn.manualSeed(3);
    const model = new RollModel({ ...options, memory });
    const rolls = [300, 3, 140].map((length, r) =>
      Array.from({ length }, (_, t) => [(7 * t + r) % KEYS, (t * t) % 50]),
    );
    const { perStep } = await (await compileRollScore(model))(rolls);
    model.eval();
    let [sum, steps] = [0, 0];
    for (const roll of rolls) {
      const keys = new Float32Array(roll.length * KEYS);
      for (let t = 1; t < roll.length; t++) for (const k of roll[t - 1]!) keys[t * KEYS + k] = 1;
      const { logits } = model.forward(tensor(keys, [1, roll.length, KEYS]));
      const data = (await evaluate(logits)).data as Float32Array;
      for (let t = 1; t < roll.length; t++) {
        steps++;
        for (let k = 0; k < KEYS; k++) {
          const x = data[t * KEYS + k]!;
          sum += Math.log(1 + Math.exp(roll[t]!.includes(k) ? -x : x));
        }
      }
    }
    expect(perStep).toBeCloseTo(sum / steps, 4);
  },
);

test("baselines of two keys, by hand", () => {
  const train = [[[0], [0], [], [0]]];
  const test = [[[0], [0], []]];
  // Key 0 sounds in 3 of 4 steps, the others never.
  const constant = (-Math.log(3 / 4) - Math.log(1 / 4)) / 2;
  expect(constantKeys(train, test).perStep).toBeCloseTo(constant, 6);
  // After sounding it sounded once of twice; of 262 that were silent one began.
  const [kept, begun] = [1 / 2, 1 / 262];
  const each = -Math.log(kept) - 87 * Math.log(1 - begun);
  expect(keptKeys(train, test).perStep).toBeCloseTo(each, 6);
});

describe("windows", () => {
  const rolls = [5, 2, 3].map((length, r) => Array.from({ length }, (_, t) => [10 * r + t]));
  const windows = new RollWindows({ rolls, rows: 2, steps: 4, seed: 1 });

  test("hold each step of each roll once, in another order at each pass", () => {
    const orders = [0, 1, 2, 3, 4, 5].map((pass) => {
      const all = Array.from({ length: windows.length }, (_, i) => i);
      const { targets, counts } = windows.get(all, pass);
      const seen: number[] = [];
      for (let at = 0; at < counts!.data.length; at++) {
        if (Number(counts!.data[at]) === 0) continue;
        const step = (targets!.data as Float32Array).subarray(at * KEYS, (at + 1) * KEYS);
        seen.push(step.indexOf(1));
      }
      expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 10, 11, 20, 21, 22]);
      return seen.join();
    });
    expect(new Set(orders).size).toBeGreaterThan(1);
  });

  test("begin with silence, and go on where the row's window before ended or from no state", () => {
    for (const pass of [0, 1, 2, 3, 4, 5]) {
      let before: (number | undefined)[] = [undefined, undefined];
      for (let at = 0; at < windows.length; at += 2) {
        const { keys, targets, counts, keep } = windows.get([at, at + 1], pass);
        const keyOf = (of: typeof keys, row: number, step: number) => {
          const start = (4 * row + step) * KEYS;
          const found = (of!.data as Float32Array).subarray(start, start + KEYS).indexOf(1);
          return found < 0 ? undefined : found;
        };
        before = before.map((last, row) => {
          const [read, carried] = [keyOf(keys, row, 0), Number(keep!.data[row]) === 1];
          if (carried) expect(read).toBe(last);
          // The second window of the roll of five steps is read after its fourth.
          else expect([undefined, 3]).toContain(read);
          expect(carried && at === 0).toBe(false);
          return Number(counts!.data[4 * row + 3]) === 1 ? keyOf(targets, row, 3) : undefined;
        });
      }
    }
  });
});

test("training may begin with how often each key sounds", async () => {
  const model = new RollModel({ ...options, hidden: 1 });
  startFromFrequencies(model, [[[39], [39, 43], [], [39]]]);
  const p = (key: number) => 1 / (1 + Math.exp(-Number(model.head.bias!.data[key])));
  expect(p(39)).toBeCloseTo(3 / 4, 5);
  expect(p(43)).toBeCloseTo(1 / 4, 5);
  expect(p(1)).toBeGreaterThan(0);
  expect(p(1)).toBeLessThan(0.001);
});

test("what followed a like state is recalled, as far as the memory reaches", async () => {
  const units = 64;
  const recall = new Recall({ units, size: 1, steps: 3 });
  for (const layer of [recall.query, recall.key]) nn.init.reset(layer.weight, nn.init.identity);
  // States 0, 1, 2, 0, 3, 4, 1, each a unit vector; what step t brings is t.
  const states = [0, 1, 2, 0, 3, 4, 1];
  const h = new Float32Array(states.length * units);
  for (const [t, state] of states.entries()) h[t * units + state] = 40;
  const brought = Float32Array.from(states.keys());
  const past = { before: ops.zeros([1, units]), memory: ops.zeros([1, recall.memorySize]) };
  const { recalled } = recall.forward(
    tensor(h, [1, states.length, units]),
    tensor(brought, [1, states.length, 1]),
    past,
  );
  const { data } = await evaluate(recalled);
  // At step 3 the state is that before step 1. Before step 2 it was as at step 6: out of reach by then.
  expect(data[3]).toBeCloseTo(1, 5);
  expect(data[6]).toBeCloseTo((4 + 5 + 6) / 3, 5);
});

test("plain onnxruntime writes the same roll with the exported file", async () => {
  nn.manualSeed(8);
  const model = new RollModel({ ...options, hidden: 16, layers: 2, memory: 9 });
  model.eval();
  const ours = await writeRoll(model, { seed: 1, length: 40, temperature: 0 });
  const session = await InferenceSession.create(await exportRollStep(model));
  let state: Record<string, OrtTensor> = Object.fromEntries(
    Object.entries(model.stateSizes()).map(([name, size]) => [
      name,
      new OrtTensor("float32", new Float32Array(size), [1, size]),
    ]),
  );
  const keys = new Float32Array(KEYS);
  const theirs = [];
  while (theirs.length < 40) {
    const fed = new OrtTensor("float32", keys.slice(), [1, 1, KEYS]);
    const { logits, ...after } = await session.run({ keys: fed, ...state });
    state = Object.fromEntries(
      Object.entries(after).map(([name, value]) => [
        name.replace("state.", ""),
        value as OrtTensor,
      ]),
    );
    const data = logits!.data as Float32Array;
    theirs.push(Array.from(data.keys()).filter((key) => data[key]! > 0));
    keys.fill(0);
    for (const key of theirs.at(-1)!) keys[key] = 1;
  }
  expect(theirs).toEqual(ours);
  expect(new Set(theirs.map(String)).size).toBeGreaterThan(3);
});

test("known steps are drawn by how often they occur and how much likelier their keys became", async () => {
  const counts = countSteps([
    [[39], [39, 43], []],
    [[39], []],
  ]);
  expect(counts).toEqual({ "39": 2, "39.43": 1, "-": 2 });
  const known = knownSteps(counts);
  const model = new RollModel({ ...options, hidden: 1 });
  for (const parameter of model.parameters()) nn.init.reset(parameter, nn.init.zeros);
  // The keys' own frequencies, with one more of either kind: nothing has become likelier.
  const usual = new Map([
    [39, Math.log(4 / 3)],
    [43, Math.log(2 / 5)],
  ]);
  nn.init.reset(model.head.bias!, (target) => {
    target.fill(-9);
    for (const [key, logit] of usual) target[key] = logit;
  });
  const write = async (wish: Partial<RollWish> = {}) => {
    const roll = await writeRoll(model, { seed: 1, length: 1000, known, ...wish });
    return (size: number) => roll.filter(({ length }) => length === size).length / roll.length;
  };
  // Half the keys' logits and half the log of how often: weights √(4/3 · 2), √(4/3 · 2/5) and √2.
  const [single, both, none] = [Math.sqrt(8 / 3), Math.sqrt(8 / 15), Math.sqrt(2)];
  const shares = await write();
  for (const [size, weight] of [none, single, both].entries()) {
    expect(Math.abs(shares(size) - weight / (none + single + both))).toBeLessThan(0.05);
  }
  // Key 43 becomes four times as likely, and the step with it.
  nn.init.reset(model.head.bias!, (target) => {
    target.fill(-9);
    for (const [key, logit] of usual) target[key] = logit + (key === 43 ? Math.log(4) : 0);
  });
  const share = (4 * both) / (none + single + 4 * both);
  expect(Math.abs((await write())(2) - share)).toBeLessThan(0.05);
  expect((await write({ temperature: 0, length: 3 }))(2)).toBe(1);
});

test("keys that go on sounding are one note", () => {
  const notes = rollNotes([[39], [39, 43], [43]]);
  expect(notes.map(({ pitch, start, seconds }) => [pitch, start, seconds])).toEqual([
    [60, 0, 0.5],
    [64, 0.25, 0.5],
  ]);
});
