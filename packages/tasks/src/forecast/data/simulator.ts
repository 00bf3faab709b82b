import { type RandomStream, randomStream } from "tensorlane/node";
import { type CellSpec, capacityOf, Road, type RoadSpec } from "./ctm.ts";
import { fillHoles } from "./regular.ts";
import { calendarOf, everyInterval, type TrafficSeries } from "./series.ts";

export interface SimulatorOptions {
  /** Speed detectors over both roads, at least 8; default 40. */
  readonly detectors?: number | undefined;
  /** Days of 288 rows; default 14. */
  readonly days?: number | undefined;
  readonly seed?: number | undefined;
  /** Expected incidents a day and road; default 1.5. */
  readonly incidentsPerDay?: number | undefined;
  /** Standard deviation of a detector's error in mph; default 1.2. */
  readonly noise?: number | undefined;
  /** Share of detector hours without a reading (filled in, `observed` 0); default 0. */
  readonly missing?: number | undefined;
}

const START = "2024-01-01T00:00"; // a Monday
const STEP_SECONDS = 15;
const STEPS = 300 / STEP_SECONDS;
const HOURS = STEP_SECONDS / 3600;
const CELL_MILES = 0.35;
/** Streams of the seed: one purpose, one stream. */
const STREAM = { road: 1, demand: 2, incidents: 3, noise: 4, missing: 5 };

/**
 * SIMULATED freeway speeds: two crossing roads by the cell transmission model, with ramps, a lane drop each,
 * an interchange, daily and weekly rhythm, incidents and detector noise. The same seed gives the same bytes.
 *
 * @example simulateTraffic({ detectors: 40, days: 14, seed: 7 }).values // (4032, 40) mph
 */
export function simulateTraffic(options: SimulatorOptions = {}): TrafficSeries {
  const { detectors = 40, days = 14, seed = 0 } = options;
  const { incidentsPerDay = 1.5, noise = 1.2, missing = 0 } = options;
  if (!Number.isInteger(detectors) || detectors < 8 || !Number.isInteger(days) || days < 1)
    throw new RangeError(
      `simulator: ${detectors} detectors over ${days} days; give at least 8 detectors and whole days`,
    );
  const rows = days * 288;
  const first = Math.ceil(detectors / 2);
  const roads = [first, detectors - first].map((cells, i) => makeRoad(cells, i, seed));
  const speeds = drive(roads, days, seed, incidentsPerDay);
  const values = new Float32Array(rows * detectors);
  const observed = new Uint8Array(rows * detectors).fill(1);
  const random = randomStream(seed, STREAM.noise);
  const gaps = randomStream(seed, STREAM.missing);
  for (let i = 0; i < values.length; i++)
    values[i] = Math.min(80, Math.max(1, speeds[i]! + noise * random.normal()));
  for (let hour = 0; hour < days * 24; hour++)
    for (let d = 0; d < detectors; d++)
      if (gaps.uniform() < missing)
        for (let r = hour * 12; r < hour * 12 + 12; r++) observed[r * detectors + d] = 0;
  fillHoles(values, observed, detectors, [{ start: 0, end: rows }]);
  const timestamps = everyInterval(START, rows, 5);
  return {
    id: "simulated",
    title: `SIMULATED freeway speeds: ${detectors} detectors, ${days} days`,
    unit: "mph",
    intervalMinutes: 5,
    start: START,
    timestamps,
    ...calendarOf(timestamps, 5),
    names: roads.flatMap((r) => r.road.spec.cells.map((_, c) => `${r.name}${c + 1}`)),
    values,
    rows,
    columns: detectors,
    ...(missing > 0 && { observed }),
    adjacency: adjacencyOf(roads),
    simulated: true,
    notes: [
      `SIMULATED data: a cell transmission model of two freeways (seed ${seed}), not measured traffic. Errors on it say nothing about real roads.`,
    ],
    protocol: {
      name: "simulation",
      source: "made-up traffic: nothing published compares",
      stepsIn: 12,
      horizons: [3, 6, 9, 12],
      trainRows: Math.floor(0.8 * rows),
      validationRows: Math.floor(0.1 * rows),
      scaling: "max",
      windows: "inside",
      nonZeroOnly: false,
      published: [],
    },
  };
}

interface SimulatedRoad {
  readonly name: string;
  readonly road: Road;
  /** Cell where the roads cross: an exit there feeds the other road's ramp after it. */
  readonly crossing: number;
  /** Hour of the heavier rush. */
  readonly rush: "morning" | "evening";
}

function makeRoad(count: number, index: number, seed: number): SimulatedRoad {
  const random = randomStream(seed, STREAM.road, index);
  const drop = Math.floor(count * 0.7);
  const crossing = Math.max(1, Math.floor(count * 0.4));
  const cells = Array.from(
    { length: count },
    (_, i): CellSpec => ({
      miles: CELL_MILES,
      lanes: i < drop ? 4 : 3,
      freeSpeed: 62 + 6 * random.uniform(),
      waveSpeed: 12,
      jamDensity: 190,
    }),
  );
  const onRamps: { cell: number; perHour: number }[] = [];
  const offRamps: { cell: number; share: number }[] = [];
  for (let cell = 2; cell < count - 1; cell += 5) onRamps.push({ cell, perHour: 1500 });
  for (let cell = 4; cell < count - 1; cell += 5)
    if (cell !== crossing) offRamps.push({ cell, share: 0.08 + 0.06 * random.uniform() });
  offRamps.push({ cell: crossing, share: 0.1 });
  if (!onRamps.some((r) => r.cell === crossing + 1))
    onRamps.push({ cell: crossing + 1, perHour: 1800 });
  const spec: RoadSpec = { cells, onRamps, offRamps };
  const rush = index === 0 ? "morning" : "evening";
  return { name: index === 0 ? "A" : "B", road: new Road(spec), crossing, rush };
}

const bump = (hour: number, at: number, width: number) =>
  Math.exp(-0.5 * ((hour - at) / width) ** 2);

/** Demand over the day, about 0.06 by night to 1 in the heavier rush. */
function rhythm(hour: number, weekend: boolean, rush: "morning" | "evening"): number {
  if (weekend) return 0.07 + 0.52 * bump(hour, 14, 3.6);
  const [morning, evening] = rush === "morning" ? [0.72, 0.5] : [0.48, 0.75];
  const day = 0.3 * bump(hour, 13, 4.5);
  return 0.06 + day + morning * bump(hour, 7.7, 1.1) + evening * bump(hour, 17.3, 1.4);
}

interface Incident {
  readonly road: number;
  readonly cell: number;
  /** In 5-minute rows. */
  readonly from: number;
  readonly to: number;
  readonly left: number;
}

function incidentsOf(
  roads: readonly SimulatedRoad[],
  days: number,
  seed: number,
  perDay: number,
): Incident[] {
  const random = randomStream(seed, STREAM.incidents);
  const list: Incident[] = [];
  for (let day = 0; day < days; day++) {
    for (const [road, { road: r }] of roads.entries()) {
      // Poisson by counting exponential waits; mostly by day, when there is traffic to disturb.
      let at = wait(random, perDay);
      while (at < 1) {
        const from = day * 288 + Math.floor(288 * (0.25 + 0.6 * at));
        const to = from + 4 + random.integer(10);
        const cell = 1 + random.integer(r.spec.cells.length - 1);
        list.push({ road, cell, from, to, left: 0.35 + 0.35 * random.uniform() });
        at += wait(random, perDay);
      }
    }
  }
  return list;
}

function wait(random: RandomStream, perDay: number): number {
  return perDay > 0 ? -Math.log(random.uniform()) / perDay : Number.POSITIVE_INFINITY;
}

/** Speeds (rows, detectors): vehicle miles over vehicle hours of each cell in each 5 minutes. */
function drive(
  roads: readonly SimulatedRoad[],
  days: number,
  seed: number,
  incidentsPerDay: number,
): Float64Array {
  const detectors = roads.reduce((sum, r) => sum + r.road.vehicles.length, 0);
  const rows = days * 288;
  const speeds = new Float64Array(rows * detectors);
  const incidents = incidentsOf(roads, days, seed, incidentsPerDay);
  const random = randomStream(seed, STREAM.demand);
  const dayLevel = roads.map(() => 1);
  const drift = roads.map(() => 0);
  for (let row = 0; row < rows; row++) {
    const hour = (row % 288) / 12;
    const weekend = Math.floor(row / 288) % 7 >= 5;
    for (const [i, { road, rush }] of roads.entries()) {
      if (row % 288 === 0) dayLevel[i] = 1 + 0.06 * random.normal();
      // Slow wandering around the rhythm: what the next hours can be told from, and what cannot.
      drift[i] = 0.95 * drift[i]! + 0.018 * random.normal();
      const level = Math.max(0.02, rhythm(hour, weekend, rush) * dayLevel[i]! * (1 + drift[i]!));
      setIncidents(road, incidents, i, row);
      const moved = new Float64Array(road.vehicles.length);
      const spent = new Float64Array(road.vehicles.length);
      for (let step = 0; step < STEPS; step++) {
        for (let c = 0; c < spent.length; c++) spent[c]! += road.vehicles[c]! * HOURS;
        road.step(HOURS, arrivalsOf(roads, i, level));
        for (let c = 0; c < moved.length; c++) moved[c]! += road.outflow[c]! * CELL_MILES;
      }
      const offset = i === 0 ? 0 : roads[0]!.road.vehicles.length;
      for (let c = 0; c < moved.length; c++) {
        const cell = road.spec.cells[c]!;
        const load = moved[c]! / CELL_MILES / (capacityOf(cell) / 12);
        const speed = spent[c]! > 1e-9 ? moved[c]! / spent[c]! : cell.freeSpeed;
        // The triangle keeps free speed up to capacity; real drivers slow down a little before it.
        speeds[row * detectors + offset + c] =
          Math.min(cell.freeSpeed, speed) * (1 - 0.12 * load ** 2);
      }
    }
  }
  return speeds;
}

function setIncidents(road: Road, incidents: readonly Incident[], index: number, row: number) {
  road.capacityLeft.fill(1);
  for (const { road: r, cell, from, to, left } of incidents)
    if (r === index && row >= from && row < to) road.capacityLeft[cell] = left;
}

/** Vehicles per hour in the heavier rush, at the start of a road and at an ordinary ramp. */
const UPSTREAM = 6100;
const RAMP = 760;

function arrivalsOf(roads: readonly SimulatedRoad[], index: number, level: number) {
  const { road } = roads[index]!;
  const other = roads[1 - index]!;
  const joined = other.road.spec.offRamps.findIndex((r) => r.cell === other.crossing);
  const ramps = road.spec.onRamps.map(({ cell }) =>
    cell === roads[index]!.crossing + 1
      ? // Who left the other road at the crossing in its last step.
        other.road.exits[joined]!
      : RAMP * level * HOURS,
  );
  return { upstream: UPSTREAM * level * HOURS, ramps };
}

/** exp(-(miles / 1.2)^2) of the shorter way between detectors, over the crossing for two roads; below 0.1: 0. */
function adjacencyOf(roads: readonly SimulatedRoad[]): Float32Array {
  const places = roads.flatMap((r, road) =>
    r.road.spec.cells.map((_, cell) => ({ road, fromCrossing: (cell - r.crossing) * CELL_MILES })),
  );
  const n = places.length;
  const adjacency = new Float32Array(n * n);
  for (const [i, a] of places.entries()) {
    for (const [j, b] of places.entries()) {
      const miles =
        a.road === b.road
          ? Math.abs(a.fromCrossing - b.fromCrossing)
          : Math.abs(a.fromCrossing) + Math.abs(b.fromCrossing);
      const weight = Math.exp(-((miles / 1.2) ** 2));
      adjacency[i * n + j] = weight >= 0.1 ? weight : 0;
    }
  }
  return adjacency;
}
