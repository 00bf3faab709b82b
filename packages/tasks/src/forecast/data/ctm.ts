/**
 * The cell transmission model of a road: C. F. Daganzo, "The cell transmission model" (1994) and "... part
 * II: network traffic" (1995), both Transportation Research B. Vehicles are a fluid; a triangular fundamental
 * diagram says how many can be sent and received by a cell in a step.
 */

/** A stretch of road with the same number of lanes. Speeds in miles per hour. */
export interface CellSpec {
  readonly miles: number;
  readonly lanes: number;
  readonly freeSpeed: number;
  /** Speed at which congestion travels backwards. */
  readonly waveSpeed: number;
  /** Vehicles per mile and lane at a standstill. */
  readonly jamDensity: number;
}

export interface RoadSpec {
  readonly cells: readonly CellSpec[];
  /** Vehicles join ahead of `cell`; at most `perHour` of them. */
  readonly onRamps: readonly { readonly cell: number; readonly perHour: number }[];
  /** A share of the vehicles that leave `cell` forward takes the exit. */
  readonly offRamps: readonly { readonly cell: number; readonly share: number }[];
}

/** Vehicles per hour at the tip of the triangle: vf w kj / (vf + w), over all lanes. */
export function capacityOf(cell: CellSpec): number {
  const { freeSpeed, waveSpeed, jamDensity, lanes } = cell;
  return ((freeSpeed * waveSpeed * jamDensity) / (freeSpeed + waveSpeed)) * lanes;
}

/** What wants to enter a road during a step, in vehicles. */
export interface Arrivals {
  readonly upstream: number;
  /** One an on-ramp. */
  readonly ramps: ArrayLike<number>;
}

/** Share of a crowded merge that the main road gets. */
const MAIN_PRIORITY = 0.75;

const middle = (a: number, b: number, c: number) =>
  Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));

/**
 * A road in motion. All counts are vehicles; `vehicles + queued` changes by exactly what came less what left.
 *
 * @example road.step(10 / 3600, { upstream: 12, ramps: [1, 2] });
 */
export class Road {
  readonly spec: RoadSpec;
  /** Vehicles in each cell. */
  readonly vehicles: Float64Array;
  /** Vehicles that left each cell in the last step, ahead and by its exit. */
  readonly outflow: Float64Array;
  /** Vehicles that took each exit in the last step. */
  readonly exits: Float64Array;
  /** Vehicles waiting before the first cell and at each on-ramp. */
  upstreamQueue = 0;
  readonly rampQueues: Float64Array;
  /** Share of its capacity that a cell has left; below 1 at an incident. */
  readonly capacityLeft: Float64Array;
  readonly #capacity: Float64Array;
  readonly #inflow: Float64Array;
  readonly #rampAt: Int32Array;
  readonly #exitAt: Int32Array;

  constructor(spec: RoadSpec) {
    const n = spec.cells.length;
    this.spec = spec;
    this.vehicles = new Float64Array(n);
    this.outflow = new Float64Array(n);
    this.exits = new Float64Array(spec.offRamps.length);
    this.rampQueues = new Float64Array(spec.onRamps.length);
    this.capacityLeft = new Float64Array(n).fill(1);
    this.#capacity = Float64Array.from(spec.cells, capacityOf);
    this.#inflow = new Float64Array(n);
    this.#rampAt = new Int32Array(n).fill(-1);
    this.#exitAt = new Int32Array(n).fill(-1);
    for (const [i, ramp] of spec.onRamps.entries()) this.#rampAt[ramp.cell] = i;
    for (const [i, ramp] of spec.offRamps.entries()) this.#exitAt[ramp.cell] = i;
    const outside = [...spec.onRamps, ...spec.offRamps].find((r) => !(r.cell >= 0 && r.cell < n));
    if (outside) throw new RangeError(`ramp at cell ${outside.cell} of a road of ${n} cells`);
  }

  /** Vehicles on the road and waiting to enter it. */
  total(): number {
    const sum = (a: Float64Array) => a.reduce((s, x) => s + x, 0);
    return sum(this.vehicles) + this.upstreamQueue + sum(this.rampQueues);
  }

  /** Vehicles that cell i could send on in `hours`. */
  sending(i: number, hours: number): number {
    const { freeSpeed, miles } = this.spec.cells[i]!;
    const most = this.#capacity[i]! * this.capacityLeft[i]! * hours;
    return Math.min((freeSpeed * this.vehicles[i]! * hours) / miles, most);
  }

  /** Vehicles that cell i could take in `hours`. */
  receiving(i: number, hours: number): number {
    const { waveSpeed, miles, jamDensity, lanes } = this.spec.cells[i]!;
    const most = this.#capacity[i]! * this.capacityLeft[i]! * hours;
    const room = jamDensity * lanes * miles - this.vehicles[i]!;
    return Math.min((waveSpeed * room * hours) / miles, most);
  }

  /** One step; gives the vehicles that left by the road's end (exits are in `exits`). */
  step(hours: number, arrivals: Arrivals): number {
    const n = this.vehicles.length;
    const fastest = Math.max(...this.spec.cells.map((c) => (c.freeSpeed * hours) / c.miles));
    if (fastest > 1)
      throw new RangeError(
        `a vehicle would cross ${fastest.toFixed(2)} cells in a step: shorten the step or lengthen the cells`,
      );
    this.upstreamQueue += arrivals.upstream;
    for (let r = 0; r < this.rampQueues.length; r++) this.rampQueues[r]! += arrivals.ramps[r] ?? 0;
    for (let i = 0; i < n; i++) this.#enter(i, hours);
    const left = this.sending(n - 1, hours);
    this.#leave(n - 1, left, left * this.#exitShare(n - 1));
    for (let i = 0; i < n; i++) this.vehicles[i]! += this.#inflow[i]! - this.outflow[i]!;
    return left * (1 - this.#exitShare(n - 1));
  }

  #exitShare(i: number): number {
    const exit = this.#exitAt[i]!;
    return exit === -1 ? 0 : this.spec.offRamps[exit]!.share;
  }

  /** Flow into cell i: from the cell behind (or the queue at the start) and from its on-ramp. */
  #enter(i: number, hours: number): void {
    const room = this.receiving(i, hours);
    const share = i === 0 ? 0 : this.#exitShare(i - 1);
    const main =
      i === 0
        ? Math.min(this.upstreamQueue, this.#capacity[0]! * hours)
        : this.sending(i - 1, hours) * (1 - share);
    const ramp = this.#rampAt[i]!;
    const joining =
      ramp === -1 ? 0 : Math.min(this.rampQueues[ramp]!, this.spec.onRamps[ramp]!.perHour * hours);
    let through = main;
    let merged = joining;
    if (main + joining > room) {
      // Daganzo's merge: what one does not use of its share, the other may.
      through = ramp === -1 ? room : middle(main, room - joining, MAIN_PRIORITY * room);
      merged = ramp === -1 ? 0 : middle(joining, room - main, (1 - MAIN_PRIORITY) * room);
    }
    this.#inflow[i] = through + merged;
    if (ramp !== -1) this.rampQueues[ramp]! -= merged;
    if (i === 0) this.upstreamQueue -= through;
    else {
      // First in, first out: who waits to go on also holds up those who want the exit.
      const left = through / (1 - share);
      this.#leave(i - 1, left, left - through);
    }
  }

  #leave(i: number, left: number, byExit: number): void {
    this.outflow[i] = left;
    const exit = this.#exitAt[i]!;
    if (exit !== -1) this.exits[exit] = byExit;
  }
}
