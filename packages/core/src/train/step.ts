import type { Batch } from "../data/dataset.ts";
import type { Engine, Value } from "../engine/engine.ts";
import * as ops from "../graph/ops/index.ts";
import { placeholder, type Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";
import { clipFactor, totalNormOf } from "../optim/clip.ts";
import { type Arena, CHUNK } from "./arena.ts";
import { BoundGraph, CompiledGraph } from "./bound.ts";
import type { TracedStep } from "./trace.ts";

/** How gradients are treated before an update. */
export interface Clipping {
  /** Scales all gradients so that their joint norm is at most this. */
  readonly clipNorm?: number;
  /** Limits every element of a gradient to ± this. */
  readonly clipValue?: number;
}

/** Loss and gradients of one batch shape, written into the arenas. */
export class GradientGraph {
  readonly traced: TracedStep;
  private readonly graph: BoundGraph;
  private readonly updates: readonly { readonly to: Value["data"]; readonly from: Value["data"] }[];

  private constructor(traced: TracedStep, graph: BoundGraph, model: Module) {
    this.traced = traced;
    this.graph = graph;
    const buffers = new Map(model.namedBuffers());
    this.updates = [...traced.updates].map(([name, tensor]) => ({
      to: buffers.get(name)!.data,
      from: graph.valueOf(tensor).data,
    }));
  }

  static async create(
    engine: Engine,
    model: Module,
    traced: TracedStep,
    arenas: readonly Arena[],
  ): Promise<GradientGraph> {
    const outputs = new Map<Tensor, Value>();
    const places = new Map(
      arenas.flatMap((arena) =>
        arena.places.map((place) => [place.name, { arena, place }] as const),
      ),
    );
    // Two parameters may share one gradient tensor: each needs an output of its own.
    const gradients = traced.trained.map(({ name, parameter, gradient }) => {
      const { arena, place } = places.get(name)!;
      const own = outputs.has(gradient) ? ops.add(gradient, 0) : gradient;
      const data = arena.gradients.subarray(place.offset, place.offset + place.size);
      outputs.set(own, { dtype: "float32", shape: parameter.shape, data });
      return own;
    });
    const graph = await BoundGraph.create(
      engine,
      [traced.loss, ...Object.values(traced.metrics), ...traced.updates.values(), ...gradients],
      "training step: gradients",
      { outputs },
    );
    return new GradientGraph(traced, graph, model);
  }

  /** Copies a batch into the bound memory. */
  load(batch: Batch): void {
    this.graph.load(this.traced.batch, batch);
  }

  async run(
    seed: number,
    step: number,
  ): Promise<{ loss: number; metrics: Record<string, number> }> {
    await this.graph.run({ seed, step });
    const metrics = Object.entries(this.traced.metrics).map(
      ([name, tensor]) => [name, this.graph.scalar(tensor)] as const,
    );
    return { loss: this.graph.scalar(this.traced.loss), metrics: Object.fromEntries(metrics) };
  }

  /** Gives buffers their new values. */
  applyUpdates(): void {
    for (const { to, from } of this.updates) (to as Float32Array).set(from as Float32Array);
  }

  release(): void {
    this.graph.release();
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

  private constructor(arena: Arena) {
    this.arena = arena;
  }

  static async create(
    engine: Engine,
    arena: Arena,
    { clipNorm, clipValue }: Clipping,
  ): Promise<ArenaUpdate> {
    const update = new ArenaUpdate(arena);
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
    const graph = await CompiledGraph.create(engine, outputs, label);
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
    for (const chunk of this.chunks) await chunk.run();
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
