import type { Batch } from "../data/dataset.ts";
import type { Engine, Value } from "../engine/engine.ts";
import { TensorlaneError } from "../errors.ts";
import type { TensorData } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import { placeholder, type Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";
import { clipFactor, totalNormOf } from "../optim/clip.ts";
import { type Arena, CHUNK } from "./arena.ts";
import { BoundGraph, CompiledGraph, type DrawKey } from "./bound.ts";
import { findNonFinite } from "./diagnose.ts";
import { allOf, average, Replicas } from "./replicas.ts";
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
  private readonly traced: TracedStep;
  private readonly replicas: Replicas;
  private readonly arenas: readonly Arena[];
  private readonly updates: readonly {
    readonly to: TensorData;
    readonly from: readonly TensorData[];
  }[];

  private constructor(
    traced: TracedStep,
    replicas: Replicas,
    arenas: readonly Arena[],
    model: Module,
  ) {
    this.traced = traced;
    this.replicas = replicas;
    this.arenas = arenas;
    const buffers = new Map(model.namedBuffers());
    this.updates = [...traced.updates].map(([name, tensor]) => {
      const { shape, data } = buffers.get(name)!;
      if (tensor.size !== data.length) {
        throw new TensorlaneError(
          `Trainer: buffer "${name}" is [${shape}], but its new value is [${tensor.shape}]; ` +
            "with replicas, which see a share of the batch, none can be a state of every sample",
        );
      }
      return { to: data, from: replicas.graphs.map((graph) => graph.valueOf(tensor).data) };
    });
  }

  static async create(
    engine: Engine,
    model: Module,
    traced: TracedStep,
    arenas: readonly Arena[],
  ): Promise<GradientGraph> {
    const replicas = arenas[0].ofReplicas.length;
    const places = new Map(
      arenas.flatMap((arena) =>
        arena.places.map((place) => [place.name, { arena, place }] as const),
      ),
    );
    // Two parameters may share one gradient tensor: each needs an output of its own.
    const taken = new Set<Tensor>();
    const gradients = traced.trained.map(({ name, parameter: { shape }, gradient }) => {
      const own = taken.has(gradient) ? ops.add(gradient, 0) : gradient;
      taken.add(own);
      return { own, shape, ...places.get(name)! };
    });
    const others = [traced.loss, ...Object.values(traced.metrics), ...traced.updates.values()];
    const compiled = await CompiledGraph.create(
      engine,
      [...others, ...gradients.map(({ own }) => own)],
      "training step: gradients",
      { singleThreaded: replicas > 1 },
    );
    const bound = Array.from({ length: replicas }, (_, replica) => {
      const memory = gradients.map(({ own, shape, arena, place }): [Tensor, Value] => {
        const { offset, size } = place;
        const data = arena.ofReplicas[replica].subarray(offset, offset + size);
        return [own, { dtype: "float32", shape, data }];
      });
      return compiled.bind({ outputs: new Map(memory) }, replica);
    });
    return new GradientGraph(traced, new Replicas(bound), arenas, model);
  }

  /** Copies a batch into the bound memory. */
  load(batch: Batch): void {
    this.replicas.load(this.traced.batch, batch);
  }

  async run(key: DrawKey): Promise<{ loss: number; metrics: Record<string, number> }> {
    const { traced, replicas } = this;
    await replicas.run(key);
    for (const arena of this.arenas) average(arena.ofReplicas);
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
  diagnose(engine: Engine, model: Module, batch: Batch, key: DrawKey): Promise<string> {
    const { traced, replicas } = this;
    return findNonFinite(engine, model, traced, replicas.shares(traced.batch, batch), key);
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
    const graph = await CompiledGraph.create(engine, outputs, label, {
      singleThreaded: arena.ofReplicas.length > 1,
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
    // On all cores one chunk after the other, or on a core each whichever comes next.
    const waiting = this.chunks.values();
    const lane = async () => {
      for (const chunk of waiting) await chunk.run();
    };
    await allOf(this.arena.ofReplicas.map(lane));
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
