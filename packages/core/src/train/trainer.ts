import { defaultEngine } from "#engine";
import type { Batch } from "../data/dataset.ts";
import type { DataLoader } from "../data/loader.ts";
import type { Engine } from "../engine/engine.ts";
import { TensorlaneError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { JsonObject, Schedule } from "../optim/schedules/schedule.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import { Arena } from "./arena.ts";
import { BoundGraph, type DrawKey } from "./bound.ts";
import type { Callback, EpochRecord } from "./callbacks.ts";
import { BEST, type Checkpoint, loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { NonFiniteError } from "./diagnose.ts";
import { Mean, Progress } from "./progress.ts";
import { checkReplicas, rowsOfShare } from "./replicas.ts";
import { ArenaUpdate, type Clipping, GradientGraph, NormGraph } from "./step.ts";
import type { Storage } from "./storage.ts";
import { type LossFunction, readsField, type TracedLoss, traceLoss, traceStep } from "./trace.ts";

export interface TrainerOptions<M extends Module> extends Clipping {
  /** The loss of a batch, from the model and the batch's fields as tensors (N, …). */
  readonly loss: LossFunction<M>;
  readonly optimizer: Optimizer;
  /** The learning rate over time; constant otherwise. */
  readonly schedule?: Schedule;
  /** Sum the gradients of so many batches before each update. */
  readonly accumulate?: number;
  /**
   * Data parallelism, as PyTorch's DistributedDataParallel: so many copies of the network take an equal share of each
   * batch, each on a core of its own (native engine; beyond 4 set UV_THREADPOOL_SIZE), and their gradients are averaged. Faster
   * where many small steps follow each other, as in recurrent networks. The same training as with 1 if the loss is
   * a mean in which every sample weighs the same: not a sum, nor a mean over what a mask or `ignoreIndex` leaves. Batch
   * norm sees its share only; its running statistics are the mean of the copies', as is every buffer that a step
   * gives a new value. Default 1: one copy on all cores.
   */
  readonly replicas?: number;
  /** Fixes everything that is random during training; initial weights have their own seed. */
  readonly seed?: number;
  readonly callbacks?: readonly Callback[];
  /** Where checkpoints go; nothing is saved otherwise. */
  readonly storage?: Storage;
  /** Save also within an epoch, after so many updates. */
  readonly saveEverySteps?: number;
  /** Value that decides which epoch is best: `loss` or a metric, of the validation where there is one. */
  readonly monitor?: string;
  readonly mode?: "min" | "max";
  /** Stop after so many epochs without improvement. */
  readonly patience?: number;
  /** An improvement smaller than this does not count. */
  readonly minDelta?: number;
  readonly engine?: Engine;
}

export interface FitOptions {
  /** Epochs in all, those of a resumed run included. */
  readonly epochs: number;
  /** Measured after every epoch: loss and metrics over a loader, or whatever a function measures. */
  readonly validation?: DataLoader | (() => Promise<Readonly<Record<string, number>>>);
  /** When it fires, the step that runs is finished, the state is saved and `fit` returns. */
  readonly signal?: AbortSignal;
}

export interface FitResult {
  readonly history: readonly EpochRecord[];
  /** Epoch of the best watched value. */
  readonly bestEpoch: number | undefined;
  readonly steps: number;
  readonly outcome: "finished" | "stopped early" | "interrupted";
}

/**
 * Trains a model: one compiled graph gives loss and gradients, another updates the state in place. State
 * stays in bound memory; the model's parameters are views of it, so they are always current.
 *
 * @example
 * const trainer = new Trainer(model, {
 *   loss: (model, { x, y }) => nn.mseLoss(model.forward(x), y),
 *   optimizer: new optim.AdamW({ lr: 1e-3 }),
 * });
 * await trainer.fit(loader, { epochs: 10 });
 */
export class Trainer<M extends Module> {
  readonly model: M;
  readonly options: TrainerOptions<M>;
  private readonly progress = new Progress();
  private readonly graphs = new Map<string, GradientGraph>();
  private readonly evaluations = new Map<string, { traced: TracedLoss; graph: BoundGraph }>();
  private arenas: Arena[] | undefined;
  private updates: ArenaUpdate[] = [];
  private norm: NormGraph | undefined;
  /** Optimiser state of a checkpoint, until the arenas that hold it exist. */
  private restored: Checkpoint["slots"] | undefined;

  constructor(model: M, options: TrainerOptions<M>) {
    const { accumulate = 1, replicas = 1, clipNorm, clipValue } = options;
    checkReplicas("Trainer", replicas);
    if (!Number.isInteger(accumulate) || accumulate < 1) {
      throw new TensorlaneError(`Trainer: accumulate must be 1 or more, received ${accumulate}`);
    }
    for (const [name, value] of Object.entries({ clipNorm, clipValue })) {
      if (value !== undefined && !(value > 0)) {
        throw new TensorlaneError(`Trainer: ${name} must be above 0, received ${value}`);
      }
    }
    this.model = model;
    this.options = options;
  }

  /** Updates done. */
  get steps(): number {
    return this.progress.step;
  }

  get history(): readonly EpochRecord[] {
    return this.progress.history;
  }

  /** The rate that the next update will use. */
  get lr(): number {
    return this.options.schedule?.rate() ?? this.options.optimizer.lr;
  }

  /**
   * Takes up the state saved in the storage, so that training goes on bit for bit as if never stopped;
   * false where there is none.
   */
  async resume(storage: Storage | undefined = this.options.storage): Promise<boolean> {
    const checkpoint = storage && (await loadCheckpoint(storage));
    if (!checkpoint) return false;
    this.model.loadStateDict(checkpoint.weights);
    const { schedule, ...progress } = checkpoint.progress;
    this.progress.load(progress);
    if (schedule) this.options.schedule?.load(schedule as JsonObject);
    this.restored = checkpoint.slots;
    if (this.arenas) this.restoreSlots();
    return true;
  }

  /** Trains until `epochs` are done, patience runs out or the signal fires. */
  async fit(loader: DataLoader, { epochs, validation, signal }: FitOptions): Promise<FitResult> {
    const { progress } = this;
    if (loader.notice && progress.step === 0) this.notice(loader.notice);
    while (progress.epoch < epochs && !progress.stopped) {
      if (!(await this.trainEpoch(loader, signal))) {
        await this.save();
        return this.result("interrupted");
      }
      const measured =
        typeof validation === "function"
          ? await validation()
          : validation && (await this.evaluate(validation));
      await this.closeEpoch(measured);
    }
    return this.result(progress.stopped ? "stopped early" : "finished");
  }

  private result(outcome: FitResult["outcome"]): FitResult {
    const { history, bestEpoch, step } = this.progress;
    return { history, bestEpoch, steps: step, outcome };
  }

  /** One epoch, from where it stands; false when it was interrupted. */
  private async trainEpoch(loader: DataLoader, signal?: AbortSignal): Promise<boolean> {
    const { progress, options } = this;
    const { accumulate = 1, schedule, saveEverySteps, seed = 0 } = options;
    const graph = await this.gradientGraph(loader);
    const { epoch } = progress;
    const total = accumulate > 1 ? this.arenas!.map(({ length }) => new Float32Array(length)) : [];
    let gathered = 0;
    for await (const batch of loader.epoch(epoch, { from: progress.batch, reuse: true })) {
      if (signal?.aborted && gathered === 0) return false;
      graph.load(batch.fields);
      const key = { seed, step: progress.step * accumulate + gathered };
      const { loss, metrics } = await graph.run(key);
      if (!Number.isFinite(loss))
        await this.stopNonFinite(`the loss is ${loss}`, graph, batch.fields, key);
      graph.applyUpdates();
      progress.mean.add({ loss, ...metrics }, batch.count);
      gathered++;
      const last = batch.index === loader.length - 1;
      if (accumulate > 1) this.gather(total, gathered === 1, 1 / accumulate);
      if (gathered < accumulate && !last) continue;
      if (accumulate > 1) this.arenas!.forEach((arena, i) => void arena.gradients.set(total[i]));
      gathered = 0;
      const lr = this.lr;
      const gradNorm = await this.applyGradients(lr, graph, batch.fields, key);
      progress.batch = batch.index + 1;
      if (schedule?.interval === "step") schedule.advance();
      const event = {
        step: progress.step,
        epoch,
        batch: progress.batch,
        batches: loader.length,
        loss,
        lr,
      };
      for (const callback of options.callbacks ?? []) {
        await callback.onStep?.(gradNorm === undefined ? event : { ...event, gradNorm });
      }
      if (saveEverySteps && progress.step % saveEverySteps === 0 && !last) await this.save();
    }
    return true;
  }

  /** Adds this batch's gradients, which are overwritten by the next, to the running total. */
  private gather(total: readonly Float32Array[], first: boolean, factor: number): void {
    for (const [i, { gradients }] of this.arenas!.entries()) {
      const sum = total[i];
      for (let k = 0; k < sum.length; k++) sum[k] = (first ? 0 : sum[k]) + gradients[k] * factor;
    }
  }

  private async applyGradients(
    lr: number,
    graph: GradientGraph,
    batch: Batch,
    key: DrawKey,
  ): Promise<number | undefined> {
    const norm = await this.norm?.run();
    if (norm && !Number.isFinite(norm.total)) {
      await this.stopNonFinite(`the norm of the gradients is ${norm.total}`, graph, batch, key);
    }
    this.progress.step++;
    for (const update of this.updates) await update.run(lr, this.progress.step, norm?.factor ?? 1);
    return norm?.total;
  }

  private async stopNonFinite(
    what: string,
    graph: GradientGraph,
    batch: Batch,
    key: DrawKey,
  ): Promise<never> {
    const where = await graph.diagnose(await this.engine(), this.model, batch, key);
    throw new NonFiniteError(
      `training stopped before update ${this.progress.step + 1}: ${what}; ${where}`,
    );
  }

  private async closeEpoch(validation?: Readonly<Record<string, number>>): Promise<void> {
    const { progress, options } = this;
    const { monitor = "loss", mode = "min", patience, minDelta = 0, schedule } = options;
    const { loss, ...metrics } = progress.mean.values();
    const watched = (validation ?? { loss, ...metrics })[monitor];
    if (watched === undefined) {
      throw new TensorlaneError(
        `Trainer: monitor "${monitor}" is not measured; there are ${Object.keys(validation ?? { loss, ...metrics }).join(", ")}`,
      );
    }
    const lr = this.lr;
    const improved = progress.consider(watched, mode, minDelta);
    const { epoch, step } = progress;
    const record: EpochRecord = {
      epoch,
      step,
      loss,
      metrics,
      lr,
      improved,
      ...(validation && { validation }),
    };
    progress.endEpoch(record);
    if (schedule?.interval === "epoch") schedule.advance(watched);
    if (patience !== undefined && progress.stalled >= patience) progress.stopped = true;
    if (improved) await options.storage?.write(BEST, writeSafetensors(this.model.stateDict()));
    await this.save();
    for (const callback of options.callbacks ?? []) await callback.onEpoch?.(record);
  }

  /** Mean loss and metrics over a loader, in evaluation mode; weighted by real samples. */
  async evaluate(loader: DataLoader): Promise<Record<string, number>> {
    const { traced, graph } = await this.evaluation(loader);
    const mean = new Mean();
    for await (const { fields, count } of loader.epoch(0, { reuse: true })) {
      graph.load(traced.batch, fields);
      await graph.run();
      const named = Object.entries({ loss: traced.loss, ...traced.metrics });
      mean.add(Object.fromEntries(named.map(([name, t]) => [name, graph.scalar(t)])), count);
    }
    return mean.values();
  }

  /** Writes the checkpoint, where there is a storage. */
  async save(): Promise<void> {
    const { storage, schedule } = this.options;
    if (!storage) return;
    const slots: Checkpoint["slots"] = new Map();
    for (const arena of this.arenas ?? []) {
      for (const { name, parameter, offset, size } of arena.places) {
        for (const [slot, data] of Object.entries(arena.slots)) {
          const part = data.subarray(offset, offset + size);
          slots.set(`${name}.${slot}`, { data: part, shape: parameter.shape });
        }
      }
    }
    await saveCheckpoint(storage, {
      weights: this.model.stateDict(),
      slots,
      progress: { ...this.progress.state(), ...(schedule && { schedule: schedule.state() }) },
    });
  }

  /** Puts the weights of the best epoch into the model; false where none were saved. */
  async loadBest(): Promise<boolean> {
    const bytes = await this.options.storage?.read(BEST);
    if (bytes) this.model.loadStateDict(readSafetensors(bytes).arrays);
    return bytes !== undefined;
  }

  /** Lets go of compiled graphs and their memory; the model stays as it is. */
  release(): void {
    for (const graph of this.graphs.values()) graph.release();
    for (const { graph } of this.evaluations.values()) graph.release();
    for (const update of this.updates) update.release();
    this.norm?.release();
    this.graphs.clear();
    this.evaluations.clear();
    this.updates = [];
    this.norm = undefined;
    this.arenas = undefined;
  }

  private engine(): Promise<Engine> {
    return this.options.engine ? Promise.resolve(this.options.engine) : defaultEngine();
  }

  private notice(text: string): void {
    for (const callback of this.options.callbacks ?? []) callback.onNotice?.(text);
  }

  private async gradientGraph(loader: DataLoader): Promise<GradientGraph> {
    const key = signature(loader);
    const known = this.graphs.get(key);
    if (known) return known;
    const { loss, optimizer, clipNorm, replicas = 1 } = this.options;
    const rows = rowsOfShare("Trainer", loader.batchSize, replicas);
    if (replicas > 1) checkFull(loader, replicas);
    const engine = await this.engine();
    const traced = traceStep(this.model, loss, loader.fields, rows);
    checkWeights(loader, traced);
    if (!this.arenas) {
      const named = traced.trained.map(({ name, parameter }) => [name, parameter] as const);
      this.arenas = Arena.all(named, optimizer, replicas);
      this.restoreSlots();
      for (const arena of this.arenas) {
        this.updates.push(await ArenaUpdate.create(engine, arena, this.options));
      }
      if (clipNorm !== undefined) this.norm = await NormGraph.create(engine, this.arenas, clipNorm);
    }
    const graph = await GradientGraph.create(engine, this.model, traced, this.arenas);
    this.graphs.set(key, graph);
    return graph;
  }

  private restoreSlots(): void {
    const { restored } = this;
    if (!restored) return;
    for (const { places, slots } of this.arenas!) {
      for (const { name, offset, size } of places) {
        for (const [slot, data] of Object.entries(slots)) {
          const saved = restored.get(`${name}.${slot}`);
          if (saved?.data.length !== size) {
            throw new TensorlaneError(
              `resume: the checkpoint has no state "${slot}" for parameter "${name}"; ` +
                `was it trained with another optimiser than ${this.options.optimizer.name}?`,
            );
          }
          data.set(saved.data as Float32Array, offset);
        }
      }
    }
    this.restored = undefined;
  }

  private async evaluation(loader: DataLoader) {
    const key = signature(loader);
    const known = this.evaluations.get(key);
    if (known && !known.graph.isStale) return known;
    known?.graph.release();
    const traced = traceLoss(this.model, this.options.loss, loader.fields, loader.batchSize, false);
    checkWeights(loader, traced);
    const outputs = [traced.loss, ...Object.values(traced.metrics)];
    const graph = await BoundGraph.create(await this.engine(), outputs, "evaluation");
    const made = { traced, graph };
    this.evaluations.set(key, made);
    return made;
  }
}

const signature = ({ fields, batchSize }: DataLoader): string =>
  JSON.stringify([batchSize, fields]);

const isPadded = ({ dropLast, dataset, batchSize }: DataLoader): boolean =>
  !dropLast && dataset.length % batchSize !== 0;

/** The shares of a padded batch would be means of more and of fewer samples. */
function checkFull(loader: DataLoader, replicas: number): void {
  if (isPadded(loader)) {
    throw new TensorlaneError(
      `Trainer: ${loader.notice}, so ${replicas} replicas have unequal shares of it; ` +
        "pass { dropLast: true } to the DataLoader",
    );
  }
}

/** Padded rows must not count: a loss that ignores their weight would be silently wrong. */
function checkWeights(loader: DataLoader, traced: TracedLoss): void {
  if (isPadded(loader) && !readsField(traced, "weight")) {
    throw new TensorlaneError(
      `Trainer: ${loader.notice}, but the loss does not read batch.weight; ` +
        "pass { sampleWeight: batch.weight } to the loss, or { dropLast: true } to the DataLoader",
    );
  }
}
