// Our side of the bench: a JSON request a line on stdin, a JSON answer a line on stdout.
import { readFile, writeFile } from "node:fs/promises";
import { serve } from "../serve.js";

const begin = performance.now();
const { compile, data, defaultEngine, inspect, nn, onnx, ops, optim, Trainer, tensor, weights } =
  await import("tensorlane");
const engine = await defaultEngine();
const importMs = performance.now() - begin;
const { batchOf, build, lossOf } = await import("./networks.js");
const { Loading } = await import("./pictures.js");

/** @typedef {import("../rows/index.js").Row} Row */

/** The engine that trains, and when it last made a session. */
let preparedAt = 0;
const watched = Object.create(engine, {
  compile: {
    async value(...args) {
      const executable = await engine.compile(...args);
      preparedAt = performance.now();
      return executable;
    },
  },
});

/** Weights up to which gradients of its own for every core cost little. */
const FEW_WEIGHTS = 5e6;
const hasFewWeights = (model) =>
  model.parameters().reduce((sum, { data: values }) => sum + values.length, 0) < FEW_WEIGHTS;
/** Whether there is an equal share of a batch for each core. */
const hasShares = ({ x }) => engine.info.threads > 1 && x.shape[0] % engine.info.threads === 0;
/** Whether copies of a network that are trained on a share each compute what one would. */
const isShareable = (model, batch) =>
  hasShares(batch) &&
  ![...model.namedModules()].some(
    ([, module]) => module instanceof nn.BatchNorm1d || module instanceof nn.BatchNorm2d,
  );

/** What a later candidate must win to be taken. */
const CLEARLY = 0.97;

/** Seconds that a row is measured from which there is time to try every way to run it. */
const PATIENT = 2;

/** The fastest of some ways to run, or the first of those that are nearly so. */
async function fastestOf(candidates, seconds) {
  let best;
  for (const candidate of candidates) {
    await candidate.run.steps(1);
    const times = [];
    const end = performance.now() + seconds * 100;
    while (times.length < 3 || (times.length < 20 && performance.now() < end)) {
      const begin = performance.now();
      await candidate.run.steps(1);
      times.push(performance.now() - begin);
    }
    const least = Math.min(...times);
    if (!best || least < best.least * CLEARLY) best = { ...candidate, least };
  }
  return best;
}

/** Steps of a Trainer on one batch that comes again and again. */
class Training {
  /** With as many replicas as are fastest, or likely to be where time is short; leaves the weights as they are. */
  static async fastest(row, model, batch, seconds) {
    if (!hasFewWeights(model) || !isShareable(model, batch)) return new Training(row, model, batch);
    const { threads } = engine.info;
    const likely = row.family === "recurrent" ? threads : 1;
    if (seconds < PATIENT) return new Training(row, model, batch, likely);
    const state = [...model.stateDict()];
    const before = new Map(state.map(([name, v]) => [name, { ...v, data: v.data.slice() }]));
    const candidates = [1, threads].map((replicas) => ({
      replicas,
      run: new Training(row, model, batch, replicas),
    }));
    const { replicas } = await fastestOf(candidates, seconds);
    for (const { run } of candidates) run.release();
    model.loadStateDict(before);
    return new Training(row, model, batch, replicas);
  }

  /** @param {Row} row @param {nn.Module} model @param {ReturnType<typeof batchOf>} batch */
  constructor(row, model, batch, replicas = 1) {
    this.replicas = replicas;
    this.wayName = replicas > 1 ? `${replicas} replicas` : undefined;
    this.loader = new data.DataLoader(new data.ArrayDataset(batch), {
      batchSize: row.batch,
      dropLast: true,
      batchesPerEpoch: 1e9,
    });
    const onStep = ({ loss }) => {
      this.done.push({ loss, at: performance.now() });
      if (this.done.length === this.wanted) this.stop.abort();
    };
    this.trainer = new Trainer(model, {
      loss: (network, fields) => lossOf(row, network, fields),
      optimizer:
        row.optimizer === "sgd"
          ? new optim.SGD({ lr: row.lr, momentum: 0.9 })
          : new optim.Adam({ lr: row.lr }),
      callbacks: [{ onStep }],
      engine: watched,
      replicas,
    });
  }

  /** @param {number} count @returns {Promise<{ loss: number, at: number }[]>} with the time each ended */
  async steps(count) {
    this.done = [];
    this.wanted = count;
    this.stop = new AbortController();
    await this.trainer.fit(this.loader, { epochs: 1, signal: this.stop.signal });
    return this.done;
  }

  release() {
    this.trainer.release();
  }
}

/** The exported model in bound memory: weights are constants that ONNX Runtime may lay out as it likes. */
class Exported {
  /** @param {nn.Module} model @param {Record<string, any>} inputs @param {(fields: any) => any} forward */
  static async create(model, inputs, forward) {
    const bytes = await onnx.exportModel(model, { inputs, forward });
    const executable = await engine.compile(bytes, { label: "inference" });
    const [{ name, shape }] = executable.outputs;
    const output = new Float32Array(shape.reduce((product, n) => product * n, 1));
    const binding = executable.bind({
      inputs,
      outputs: { [name]: { dtype: "float32", shape, data: output } },
    });
    return Object.assign(new Exported(), { name: "exported", executable, binding, output });
  }

  run() {
    return this.binding.run();
  }

  release() {
    this.binding.release();
    this.executable.release();
  }
}

/** The model compiled in place with constant weights; loops are those of training. */
class Compiled {
  /** @param {Record<string, any>} inputs @param {(fields: any) => any} forward */
  static async create(inputs, forward, replicas = 1) {
    const [batchSize] = inputs.x.shape;
    const fields = Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, shape }]) => [
        name,
        { dtype, shape: shape.slice(1) },
      ]),
    );
    const build = (batch) => ({ y: forward(batch) });
    const call = await compile(fields, batchSize, build, { engine, frozen: true, replicas });
    const name = replicas > 1 ? `compiled, ${replicas} replicas` : "compiled";
    return Object.assign(new Compiled(), { name, call, inputs });
  }

  async run() {
    const { y } = await this.call(this.inputs);
    this.output = y.data;
  }

  release() {
    this.call.release();
  }
}

/** Whichever way of running the model is faster here, as PyTorch runs eagerly or frozen. */
class Inference {
  /** @param {nn.Module} model @param {ReturnType<typeof batchOf>} batch */
  static async create(model, { y, ...given }, seconds) {
    const inputs = Object.fromEntries(
      Object.entries(given).map(([name, { data: values, shape }]) => {
        const dtype = values instanceof Int32Array ? "int32" : "float32";
        return [name, { dtype, shape, data: values }];
      }),
    );
    const forward = ({ x, ...rest }) => (model.answer ?? model.forward).call(model, x, rest);
    const ways = [
      await Exported.create(model, inputs, forward),
      await Compiled.create(inputs, forward),
    ];
    if (hasShares(inputs) && (seconds >= PATIENT || hasFewWeights(model))) {
      ways.push(await Compiled.create(inputs, forward, engine.info.threads));
    }
    const candidates = ways.map((way) => ({ run: Object.assign(new Inference(), { way }) }));
    const { run } = await fastestOf(candidates, seconds);
    for (const other of candidates) if (other.run !== run) other.run.release();
    return run;
  }

  get wayName() {
    return this.way.name;
  }

  get output() {
    return this.way.output;
  }

  /** @param {number} count @returns {Promise<{ at: number }[]>} when each ended */
  async steps(count) {
    const done = [];
    for (let i = 0; i < count; i++) {
      await this.way.run();
      done.push({ at: performance.now() });
    }
    return done;
  }

  release() {
    this.way.release();
  }
}

/** @type {{ row: Row, kind: string, model?: nn.Module, batch?: any, run: any } | undefined} */
let current;

/** What one forward pass over the batch multiplies and adds, and what it reads and writes. @returns {import("../floor.js").Work} */
function workOf(model, { x, y, ...others }) {
  const leaf = ({ data: values, shape }) => tensor(values, shape);
  const rest = Object.fromEntries(Object.entries(others).map(([name, part]) => [name, leaf(part)]));
  const forward = ([input]) => model.forward(input, rest);
  const { macs, parameters, activationBytes, layers } = inspect.summary(model, [leaf(x)], {
    forward,
  });
  const tensors = layers.filter(({ memory }) => memory > 0).length;
  return { macs, parameters: 4 * parameters, activations: activationBytes, tensors };
}

/** Times runs of a graph on arrays of its own. */
async function timeGraph(forward, shapes, seconds) {
  const model = Object.assign(new nn.Module(), { forward });
  const inputs = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { shape }]));
  const bytes = await onnx.exportModel(model, {
    inputs,
    forward: (given) => forward(...Object.values(given)),
  });
  const executable = await engine.compile(bytes, { label: "rate" });
  const value = (shape) => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, Math.random);
    return { dtype: "float32", shape, data };
  };
  const binding = executable.bind({
    inputs: Object.fromEntries(shapes.map((shape, i) => [`x${i}`, value(shape)])),
    outputs: Object.fromEntries(executable.outputs.map(({ name, shape }) => [name, value(shape)])),
  });
  const times = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const start = performance.now();
    await binding.run();
    times.push(performance.now() - start);
  }
  binding.release();
  executable.release();
  return { times };
}

const operations = {
  /**
   * Builds the network, to run in the fastest way if it is timed for so many seconds; writes weights and batch for the
   * other side, or reads them.
   */
  async load({ row, kind, path, write, seconds }) {
    if (kind === "data") {
      const threads = engine.info.threads;
      current = { row, kind, run: await Loading.create(row, { path, write, threads }) };
      return {};
    }
    nn.manualSeed(1);
    const model = build(row);
    const batch = batchOf(row);
    if (write) {
      const all = new Map(model.stateDict());
      for (const [name, value] of Object.entries(batch)) all.set(`batch.${name}`, value);
      await writeFile(path, weights.writeSafetensors(all));
    } else {
      const { arrays } = weights.readSafetensors(await readFile(path));
      model.loadStateDict(new Map([...arrays].filter(([name]) => !name.startsWith("batch."))));
    }
    model.train(kind === "train");
    current = { row, kind, model, batch, run: undefined };
    if (kind !== "train") current.run = await Inference.create(model, batch, seconds);
    else if (seconds) current.run = await Training.fastest(row, model, batch, seconds);
    else current.run = new Training(row, model, batch);
    return { work: workOf(model, batch), way: current.run.wayName };
  },

  /** Losses of the first steps without dropout and the norm of the change of all parameters; or the output. */
  async check({ steps, path }) {
    const { row, kind, model, batch, run } = current;
    if (kind !== "train") {
      await run.steps(1);
      await writeFile(
        path,
        new Uint8Array(run.output.buffer, run.output.byteOffset, run.output.byteLength),
      );
      return { elements: run.output.length };
    }
    const before = model.parameters().map((parameter) => parameter.data.slice());
    const dropouts = [...model.namedModules()]
      .map(([, module]) => module)
      .filter((module) => module instanceof nn.Dropout)
      .map((module) => ({ module, p: module.p }));
    for (const { module } of dropouts) module.p = 0;
    const { replicas } = run;
    const checked = dropouts.length > 0 ? new Training(row, model, batch, replicas) : run;
    const losses = (await checked.steps(steps)).map(({ loss }) => loss);
    for (const { module, p } of dropouts) module.p = p;
    let change = 0;
    for (const [i, { data: after }] of model.parameters().entries()) {
      for (let k = 0; k < after.length; k++) change += (after[k] - before[i][k]) ** 2;
    }
    if (checked !== run) {
      checked.release();
      run.release();
      current.run = new Training(row, model, batch, replicas);
    }
    return { losses, change: Math.sqrt(change) };
  },

  async time({ count }) {
    const start = performance.now();
    const ends = (await current.run.steps(count)).map(({ at }) => at);
    return { times: ends.map((at, i) => at - (i === 0 ? start : ends[i - 1])) };
  },

  /** Milliseconds from the loss function to the session that computes its gradients, before it first runs. */
  async compile() {
    const start = performance.now();
    await current.run.steps(1);
    return { ms: preparedAt - start };
  },

  close() {
    current?.run.release();
    current = undefined;
    return {};
  },

  gemm: ({ size, seconds }) =>
    timeGraph(
      (a, b) => ops.matmul(a, b),
      [
        [size, size],
        [size, size],
      ],
      seconds,
    ),

  /** Weights are constants, as in inference: ONNX Runtime's fastest convolution. */
  convolution({ batch, channels, size, seconds }) {
    const weight = tensor(Float32Array.from({ length: channels ** 2 * 9 }, Math.random), [
      channels,
      channels,
      3,
      3,
    ]);
    const forward = (x) => ops.conv2d(x, weight, undefined, { padding: 1 });
    return timeGraph(forward, [[batch, channels, size, size]], seconds);
  },

  copy: ({ bytes, seconds }) => timeGraph((x) => ops.neg(x), [[bytes / 4]], seconds),

  memory: () => ({ bytes: process.resourceUsage().maxRSS * 1024 }),

  info: () => ({ ...engine.info, node: process.version, importMs }),
};

await serve(operations);
