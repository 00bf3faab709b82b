/** One update of the weights. */
export interface StepEvent {
  /** Updates so far, this one included. */
  readonly step: number;
  readonly epoch: number;
  /** Batches of this epoch done, and in all. */
  readonly batch: number;
  readonly batches: number;
  readonly loss: number;
  readonly lr: number;
  /** Norm of all gradients before clipping, where clipping measured it. */
  readonly gradNorm?: number;
}

/** What an epoch came to. */
export interface EpochRecord {
  readonly epoch: number;
  readonly step: number;
  /** Mean training loss over the epoch's samples. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Validation loss (`loss`) and metrics. */
  readonly validation?: Readonly<Record<string, number>>;
  readonly lr: number;
  /** Whether the watched value is the best so far. */
  readonly improved: boolean;
}

/** Hooks into a training; all optional. Returning a promise delays the next step. */
export interface Callback {
  onStep?(event: StepEvent): void | Promise<void>;
  onEpoch?(record: EpochRecord): void | Promise<void>;
  /** A message for the user: a padded batch, a resumed run. */
  onNotice?(text: string): void;
}
