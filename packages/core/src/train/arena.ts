import { allocate } from "../graph/dtype.ts";
import type { Parameter } from "../graph/tensor.ts";
import { groupOf, type Optimizer } from "../optim/optimizer.ts";

/** Every parameter starts at a cache line. */
const ALIGNMENT = 16;
/** Elements that one run of the update takes: few enough to stay in the cache, many enough to be worth a run. */
export const CHUNK = 2 ** 18;

/** A parameter and its place in the arena. */
export interface Place {
  readonly name: string;
  readonly parameter: Parameter;
  readonly offset: number;
  readonly size: number;
}

/**
 * All trained parameters that are treated alike, with their gradients and optimiser state, each as one flat
 * array: an update is a few large operations instead of hundreds of small ones. Parameters' own arrays
 * become views of it.
 */
export class Arena {
  readonly places: readonly Place[];
  readonly optimizer: Optimizer;
  readonly lrScale: number;
  readonly length: number;
  readonly values: Float32Array<ArrayBuffer>;
  /** The gradients of each replica. */
  readonly ofReplicas: readonly Float32Array<ArrayBuffer>[];
  readonly slots: Readonly<Record<string, Float32Array<ArrayBuffer>>>;

  constructor(
    named: readonly (readonly [string, Parameter])[],
    optimizer: Optimizer,
    lrScale: number,
    replicas: number,
  ) {
    let offset = 0;
    this.places = named.map(([name, parameter]) => {
      const place = { name, parameter, offset, size: parameter.data.length };
      offset += Math.ceil(place.size / ALIGNMENT) * ALIGNMENT;
      return place;
    });
    this.length = offset <= CHUNK ? offset : Math.ceil(offset / CHUNK) * CHUNK;
    this.optimizer = optimizer;
    this.lrScale = lrScale;
    const floats = () => allocate("float32", this.length) as Float32Array<ArrayBuffer>;
    this.values = floats();
    this.ofReplicas = Array.from({ length: replicas }, floats);
    this.slots = Object.fromEntries(
      // Fresh memory is zero; writing that would touch every page of it.
      optimizer.slots.map(({ name, initial }) => {
        return [name, initial === 0 ? floats() : floats().fill(initial)];
      }),
    );
    for (const { parameter, offset: at, size } of this.places) {
      this.values.set(parameter.data as Float32Array, at);
      parameter.data = this.values.subarray(at, at + size);
    }
  }

  /** What the update reads: the first replica's, into which all are averaged. */
  get gradients(): Float32Array<ArrayBuffer> {
    return this.ofReplicas[0];
  }

  /** One arena for each way of treating parameters. */
  static all(
    named: readonly (readonly [string, Parameter])[],
    optimizer: Optimizer,
    replicas: number,
  ): Arena[] {
    const groups = new Map<number, (readonly [string, Parameter])[]>();
    for (const entry of named) {
      const { index } = groupOf(optimizer, entry[0]);
      groups.set(index, [...(groups.get(index) ?? []), entry]);
    }
    return [...groups.values()].map((members) => {
      const treatment = groupOf(optimizer, members[0][0]);
      return new Arena(members, treatment.optimizer, treatment.lrScale, replicas);
    });
  }
}
