import {
  type DataLoader,
  type EpochRecord,
  type FitOptions,
  type FitResult,
  type nn,
  optim,
  Trainer,
  type TrainerOptions,
} from "tensorlane";
import { FolderStorage } from "tensorlane/node";
import type { TaskUi } from "./task.ts";

/** A training as every task does it; what is not said here is the Trainer's own. */
export interface Fitting<M extends nn.Module>
  extends Omit<TrainerOptions<M>, "callbacks" | "schedule" | "storage"> {
  /** Stands before the progress bar. */
  readonly label: string;
  readonly model: M;
  readonly loader: DataLoader;
  readonly epochs: number;
  readonly validation: NonNullable<FitOptions["validation"]>;
  /** What a validation came to, in words: "97.2 % right". */
  readonly describe: (measured: Readonly<Record<string, number>>) => string;
  /** The validation's name beside the bar, and what is told of the best; "validation" unless given. */
  readonly wording?: { readonly value: string; readonly best: (text: string) => string };
  /** How the rate rises to the optimiser's and falls again, once over the whole training. */
  readonly cycle?: Omit<optim.OneCycleOptions, "maxLr" | "totalSteps">;
  /** Where checkpoints go. */
  readonly folder: string;
  /** Go on from the checkpoint that is there. */
  readonly resume: boolean;
}

const plainly = { value: "validation", best: (text: string) => `validation ${text}` };

/** How a training went. */
export interface Fitted {
  readonly fit: FitResult;
  /** Time that it took. */
  readonly seconds: number;
}

/**
 * Trains under a progress bar, saves, goes on where it was interrupted, and leaves the model with the weights of
 * the best epoch; with its last ones where the signal interrupted it.
 *
 * @example
 * const { fit } = await fitModel({ label: "lstm", model, loss, optimizer, loader, epochs, validation, describe, folder, resume }, ui);
 */
export async function fitModel<M extends nn.Module>(
  fitting: Fitting<M>,
  ui: TaskUi,
): Promise<Fitted> {
  const { label, model, loader, epochs, validation, describe, cycle, folder, resume, ...rest } =
    fitting;
  const { wording = plainly, ...options } = rest;
  const { optimizer } = options;
  const total = epochs * loader.length;
  const told = (record: EpochRecord | undefined) =>
    record?.validation ? describe(record.validation) : "-";
  const bar = ui.progress(label, total);
  let latest: EpochRecord | undefined;
  const trainer = new Trainer(model, {
    ...options,
    schedule: new optim.OneCycleLR(optimizer, {
      // The rise takes a tenth of the training, and at least a step.
      pctStart: Math.max(0.1, 2 / (total + 1)),
      ...cycle,
      maxLr: optimizer.lr,
      totalSteps: total + 1,
    }),
    storage: new FolderStorage(folder),
    callbacks: [
      {
        onNotice: (text) => ui.notice(text),
        onStep: ({ step, loss, epoch }) =>
          bar.update(step, {
            epoch: `${epoch + 1}/${epochs}`,
            loss: loss.toFixed(4),
            [wording.value]: told(latest),
          }),
        onEpoch: (record) => {
          latest = record;
        },
      },
    ],
  });
  const resumed = resume && (await trainer.resume());
  latest = trainer.history.at(-1);
  if (resumed) ui.notice(`continues after step ${trainer.steps} of ${total}.`);
  const began = performance.now();
  try {
    const fit = await trainer.fit(loader, { epochs, validation, signal: ui.signal });
    if (fit.outcome === "interrupted") {
      bar.stop(`interrupted after step ${trainer.steps} of ${total}; continue with --resume`);
    } else {
      await trainer.loadBest();
      const best = fit.history.find(({ epoch }) => epoch === fit.bestEpoch);
      bar.stop(`best epoch ${(fit.bestEpoch ?? 0) + 1} of ${epochs}, ${wording.best(told(best))}`);
    }
    return { fit, seconds: (performance.now() - began) / 1000 };
  } catch (failure) {
    bar.stop("failed");
    throw failure;
  } finally {
    trainer.release();
  }
}

/** Numbers that a model learns. */
export const parameterCount = (model: nn.Module): number =>
  model.parameters().reduce((sum, { size }) => sum + Number(size), 0);

/** Mean training loss of every epoch. */
export const lossesOf = ({ fit }: Pick<Fitted, "fit">): number[] =>
  fit.history.map(({ loss }) => loss);
