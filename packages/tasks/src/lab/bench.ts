import { join } from "node:path";
import {
  type DataLoader,
  type LossFunction,
  NonFiniteError,
  nn,
  type optim,
  Trainer,
} from "tensorlane";
import { FolderStorage } from "tensorlane/node";
import { ImagePool } from "../classify/images/pool.ts";
import { parameterCount } from "../fitting.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json, TaskUi } from "../task.ts";

/** Thrown where Ctrl-C ends an experiment; all that was computed is saved. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

type Values = { readonly [metric: string]: readonly number[] };

/** How a training went; every list has an entry for each epoch. */
export type Curve = {
  readonly name: string;
  readonly parameters: number;
  readonly steps: number;
  readonly seconds: number;
  /** `loss` and the metrics, as they were on the way through the epoch. */
  readonly train: Values;
  /** The same in evaluation mode after the epoch, by the data's name. */
  readonly after: { readonly [data: string]: Values };
  /** What `inspect` saw of the trained network. */
  readonly seen?: Json;
  /** Why it ended early: numbers beyond all bounds. */
  readonly diverged?: string;
};

export interface Training<M extends nn.Module> {
  /** Also the sub-folder of its checkpoints. */
  readonly name: string;
  /** Called once the seed of the weights is set, so that they do not depend on what else was trained. */
  readonly model: () => M;
  readonly loss: LossFunction<M>;
  readonly optimizer: optim.Optimizer;
  readonly schedule?: optim.Schedule;
  readonly clipNorm?: number;
  readonly loader: DataLoader;
  /** Data to evaluate on after each epoch. */
  readonly after?: Readonly<Record<string, DataLoader>>;
  readonly epochs: number;
  /** Ends the training after an epoch that reaches the goal. */
  readonly reached?: (curve: Pick<Curve, "train" | "after">) => boolean;
  /** Other random choices than the experiment's own. */
  readonly seed?: number;
  /** Looks at the network as it is in the end; kept as `seen`. */
  readonly inspect?: (model: M) => Promise<Json>;
}

/** What an experiment works with: one run folder, in which each training has a folder of its own. */
export class Bench {
  readonly folder: RunFolder;
  readonly ui: TaskUi;
  readonly seed: number;
  #pool: ImagePool | undefined;

  constructor(folder: RunFolder, ui: TaskUi, seed: number) {
    this.folder = folder;
    this.ui = ui;
    this.seed = seed;
  }

  /** Threads that read pictures. */
  get pool(): ImagePool {
    if (!this.#pool) this.#pool = new ImagePool();
    return this.#pool;
  }

  close(): void {
    this.#pool?.close();
  }

  /** What was found under a name before an interruption, or is found out and kept now. */
  async once<T>(name: string, compute: () => Promise<T>): Promise<T> {
    const file = join(name, runFiles.results);
    const before = await this.folder.readJson(file);
    if (before !== undefined) return before as T;
    if (this.ui.signal.aborted) throw new Interrupted();
    const value = await compute();
    await this.folder.writeJson(file, value);
    return value;
  }

  /** Trains a network, or goes on bit for bit where an interrupted run stopped. */
  train<M extends nn.Module>(training: Training<M>): Promise<Curve> {
    return this.once(training.name, () => this.#train(training));
  }

  async #train<M extends nn.Module>(training: Training<M>): Promise<Curve> {
    const { name, loader, epochs, reached, after = {}, seed = this.seed } = training;
    nn.manualSeed(seed);
    const model = training.model();
    const bar = this.ui.progress(name, epochs * loader.length);
    const trainer = new Trainer(model, {
      ...{ loss: training.loss, optimizer: training.optimizer, seed },
      ...(training.schedule && { schedule: training.schedule }),
      ...(training.clipNorm !== undefined && { clipNorm: training.clipNorm }),
      // Nothing is chosen by it; the trainer wants a value that is measured.
      monitor: Object.keys(after).map((data) => `${data}/loss`)[0] ?? "loss",
      storage: new FolderStorage(this.folder.path(name)),
      callbacks: [{ onStep: ({ step, loss }) => bar.update(step, { loss }) }],
    });
    await trainer.resume();
    const timeKey = `seconds of ${name}`;
    const before = Number(this.folder.info.details[timeKey] ?? 0);
    const began = performance.now();
    const seconds = () => Number((before + (performance.now() - began) / 1000).toFixed(1));
    const measure = async () => {
      const values: Record<string, number> = {};
      for (const [data, held] of Object.entries(after)) {
        for (const [metric, value] of Object.entries(await trainer.evaluate(held))) {
          values[`${data}/${metric}`] = value;
        }
      }
      return values;
    };
    let diverged: string | undefined;
    let seen: Json | undefined;
    try {
      while (trainer.history.length < epochs && !reached?.(curvesOf(trainer))) {
        const { outcome } = await trainer.fit(loader, {
          epochs: trainer.history.length + 1,
          ...(Object.keys(after).length > 0 && { validation: measure }),
          signal: this.ui.signal,
        });
        await this.folder.update({ details: { [timeKey]: seconds() } });
        if (outcome === "interrupted") throw new Interrupted();
      }
      seen = await training.inspect?.(model);
    } catch (failure) {
      if (!(failure instanceof NonFiniteError)) throw failure;
      diverged = failure.message;
    } finally {
      bar.stop();
      trainer.release();
    }
    const parameters = parameterCount(model);
    return {
      ...{ name, parameters, steps: trainer.steps, seconds: seconds() },
      ...curvesOf(trainer),
      ...(seen !== undefined && { seen }),
      ...(diverged !== undefined && { diverged }),
    };
  }
}

/** The values of all epochs so far. */
function curvesOf({
  history,
}: Pick<Trainer<nn.Module>, "history">): Pick<Curve, "train" | "after"> {
  const held = history.map(({ validation = {} }) => validation);
  const of = (data: string) =>
    columns(
      held.map((values) =>
        Object.fromEntries(
          Object.entries(values).flatMap(([key, value]) => {
            const [own, metric] = key.split("/") as [string, string];
            return own === data ? [[metric, value]] : [];
          }),
        ),
      ),
    );
  const names = new Set(Object.keys(held[0] ?? {}).map((key) => key.split("/")[0]!));
  return {
    train: columns(history.map(({ loss, metrics }) => ({ loss, ...metrics }))),
    after: Object.fromEntries([...names].map((name) => [name, of(name)])),
  };
}

/** Lists by name from records. */
const columns = (rows: readonly Readonly<Record<string, number>>[]): Values =>
  Object.fromEntries(
    Object.keys(rows[0] ?? {}).map((key) => [key, rows.map((row) => significant(row[key]!))]),
  );

/** Five digits: more say nothing, and fill the committed files. */
export const significant = (value: number): number => Number(value.toPrecision(5));

/** The value in the end; NaN where nothing was measured. */
export const last = (values: readonly number[] | undefined): number => values?.at(-1) ?? Number.NaN;

export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;
