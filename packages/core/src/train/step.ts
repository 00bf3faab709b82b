import type { Batch } from "../data/dataset.ts";
import type { Engine, Value } from "../engine/engine.ts";
import type { TensorData } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import { placeholder, type Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";
import { clipFactor, totalNormOf } from "../optim/clip.ts";
import { type Arena, CHUNK } from "./arena.ts";
import { BoundGraph, CompiledGraph } from "./bound.ts";
import { findNonFinite } from "./diagnose.ts";
import { average, type DrawKey, keyOf, Replicas, shareOf } from "./replicas.ts";
import type { TracedStep } from "./trace.ts";

/** How gradients are treated before an update. */
export interface Clipping {
  /** Scales all gradients so that their joint norm is at most this. */
  readonly clipNorm?: number;
  /** Limits every element of a gradient to ± this. */
  readonly clipValue?: number;
}

/**
 * Loss and gradients of one batch shape, written into the arenas. Several replicas take a share of the batch and a core
 * each; loss, metrics, gradients and new values of buffers are the means of theirs.
 */
export class GradientGraph {
  /** The step of one replica. */
  readonly traced: TracedStep;
  private readonly replicas: Replicas;
  /** The gradients of each arena, those of all replicas. */
  private readonly gradients: readonly (readonly Float32Array[])[];
  private readonly updates: readonly {
    readonly to: TensorData;
    readonly from: readonly TensorData[];
  }[];

  private constructor(
    traced: TracedStep,
    replicas: Replicas,
    gradients: GradientGraph["gradients"],
    model: Module,
  ) {
    this.traced = traced;
    this.replicas = replicas;
    this.gradients = gradients;
    const buffers = new Map(model.namedBuffers());
    this.updates = [...traced.updates].map(([name, tensor]) => ({
      to: buffers.get(name)!.data,
      from: replicas.graphs.map((graph) => graph.valueOf(tensor).data),
    }));
  }

  static async create(
    engine: Engine,
    model: Module,
    traced: TracedStep,
    arenas: readonly Arena[],
    replicas = 1,
  ): Promise<GradientGraph> {
    const places = new Map(
      arenas.flatMap((arena, i) =>
        arena.places.map(({ name, offset, size }) => [name, { i, offset, size }] as const),
      ),
    );
    // Two parameters may share one gradient tensor: each needs an output of its own.
    const taken = new Set<Tensor>();
    const outputs = traced.trained.map(({ name, parameter, gradient }) => {
      const own = taken.has(gradient) ? ops.add(gradient, 0) : gradient;
      taken.add(own);
      return { own, shape: parameter.shape, ...places.get(name)! };
    });
    const others = [traced.loss, ...Object.values(traced.metrics), ...traced.updates.values()];
    const compiled = await CompiledGraph.create(
      engine,
      [...others, ...outputs.map(({ own }) => own)],
      "training step: gradients",
      { singleThreaded: replicas > 1 },
    );
    const gradients = arenas.map((arena) =>
      Array.from({ length: replicas }, (_, replica) =>
        replica === 0 ? arena.gradients : new Float32Array(arena.length),
      ),
    );
    const bound = Array.from({ length: replicas }, (_, replica) => {
      const memory = outputs.map(({ own, shape, i, offset, size }): [Tensor, Value] => {
        const data = gradients[i][replica].subarray(offset, offset + size);
        return [own, { dtype: "float32", shape, data }];
      });
      return compiled.bind({ outputs: new Map(memory) });
    });
    return new GradientGraph(traced, new Replicas(bound), gradients, model);
  }

  /** Copies a batch into the bound memory. */
  load(batch: Batch): void {
    this.replicas.load(this.traced.batch, batch);
  }

  async run(key: DrawKey): Promise<{ loss: number; metrics: Record<string, number> }> {
    const { traced, replicas } = this;
    await replicas.run(key);
    for (const each of this.gradients) average(each);
    const metrics = Object.entries(traced.metrics).map(
      ([name, tensor]) => [name, replicas.mean(tensor)] as const,
    );
    return { loss: replicas.mean(traced.loss), metrics: Object.fromEntries(metrics) };
  }

  /** Gives buffers their new values. */
  applyUpdates(): void {
    for (const { to, from } of this.updates) {
      if (to instanceof Float32Array) average(from as readonly Float32Array[]);
      (to as Float32Array).set(from[0] as Float32Array);
    }
  }

  /** Says where the loss or a gradient stopped being finite. */
  async diagnose(engine: Engine, model: Module, batch: Batch, key: DrawKey): Promise<string> {
    const count = this.replicas.graphs.length;
    for (let i = 0; ; i++) {
      const share = shareOf(batch, i, count);
      const { where, isFound } = await findNonFinite(
        engine,
        model,
        this.traced,
        share,
        keyOf(key, i),
      );
      if (isFound || i === count - 1) return where;
    }
  }

  release(): void {
    this.replicas.release();
  }
}

type Floats = Float32Array<ArrayBuffer>;
const flat = (data: Floats): Value => ({ dtype: "float32", shape: [data.length], data });
const scalarOf = (data: Floats): Value => ({ dtype: "float32", shape: [], data });

/** Applies the optimiser to one arena, in place and chunk by chunk. */
export class ArenaUpdate {
  private readonly arena: Arena;
  private readonly chunks: BoundGraph[] = [];
  private readonly lr = new Float32Array(new ArrayBuffer(4));
  private readonly step = new Float32Array(new ArrayBuffer(4));
  private readonly scale = new Float32Array(new ArrayBuffer(4));
  private readonly sideBySide: boolean;

  private constructor(arena: Arena, sideBySide: boolean) {
    this.arena = arena;
    this.sideBySide = sideBySide;
  }

  /** `sideBySide`: chunks run at once on a core each, not one after the other on all. */
  static async create(
    engine: Engine,
    arena: Arena,
    { clipNorm, clipValue }: Clipping,
    sideBySide = false,
  ): Promise<ArenaUpdate> {
    const update = new ArenaUpdate(arena, sideBySide);
    const size = Math.min(CHUNK, arena.length);
    const parameter = placeholder("parameter", [size]);
    const gradient = placeholder("gradient", [size]);
    const slots = Object.fromEntries(
      Object.keys(arena.slots).map((name) => [name, placeholder(name, [size])]),
    );
    const [lr, step, scale] = ["lr", "step", "scale"].map((name) => placeholder(name, []));
    const scaled = clipNorm === undefined ? gradient : ops.mul(gradient, scale);
    const next = arena.optimizer.update({
      parameter,
      gradient:
        clipValue === undefined ? scaled : ops.clamp(scaled, { min: -clipValue, max: clipValue }),
      slots,
      lr,
      step,
    });
    const outputs = [next.parameter, ...Object.keys(slots).map((name) => next.slots[name])];
    const label = `training step: ${arena.optimizer.name}`;
    const graph = await CompiledGraph.create(engine, outputs, label, {
      singleThreaded: sideBySide,
    });
    for (let at = 0; at < arena.length; at += size) {
      const part = (data: Floats) => flat(data.subarray(at, at + size));
      const state = [part(arena.values), ...Object.values(arena.slots).map(part)];
      const inputs = new Map<Tensor, Value>([
        [gradient, part(arena.gradients)],
        [lr, scalarOf(update.lr)],
        [step, scalarOf(update.step)],
        [scale, scalarOf(update.scale)],
      ]);
      const own = [parameter, ...Object.values(slots)];
      for (const [i, tensor] of own.entries()) inputs.set(tensor, state[i]);
      const next = new Map(outputs.map((tensor, i) => [tensor, state[i]]));
      update.chunks.push(graph.bind({ inputs, outputs: next }));
    }
    return update;
  }

  async run(lr: number, step: number, scale: number): Promise<void> {
    this.lr[0] = lr * this.arena.lrScale;
    this.step[0] = step;
    this.scale[0] = scale;
    if (this.sideBySide) await Promise.all(this.chunks.map((chunk) => chunk.run()));
    else for (const chunk of this.chunks) await chunk.run();
  }

  release(): void {
    for (const chunk of this.chunks) chunk.release();
  }
}

/** The joint norm of all gradients, and what clipping multiplies them by. */
export class NormGraph {
  private readonly graph: BoundGraph;
  private readonly total: Tensor;
  private readonly factor: Tensor;

  private constructor(graph: BoundGraph, total: Tensor, factor: Tensor) {
    this.graph = graph;
    this.total = total;
    this.factor = factor;
  }

  static async create(
    engine: Engine,
    arenas: readonly Arena[],
    maxNorm: number,
  ): Promise<NormGraph> {
    const flats = arenas.map((arena, i) => placeholder(`gradient_${i}`, [arena.length]));
    const total = totalNormOf(flats);
    const factor = clipFactor(total, maxNorm);
    const inputs = new Map(flats.map((tensor, i) => [tensor, flat(arenas[i].gradients)]));
    const graph = await BoundGraph.create(engine, [total, factor], "gradient norm", { inputs });
    return new NormGraph(graph, total, factor);
  }

  async run(): Promise<{ readonly total: number; readonly factor: number }> {
    await this.graph.run();
    return { total: this.graph.scalar(this.total), factor: this.graph.scalar(this.factor) };
  }

  release(): void {
    this.graph.release();
  }
}
