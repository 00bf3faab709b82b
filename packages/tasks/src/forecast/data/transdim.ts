import { UserError } from "../../errors.ts";
import { isMat, readMat } from "./mat.ts";
import { hangzhouMetro, nycTaxi } from "./published.ts";
import type { Protocol, TrafficSeries } from "./series.ts";
import { columnIndex, numbersOf, textOf, unpack } from "./table.ts";

/** The forecasting protocol of transdim's notebooks: the last days in blocks, each from all true values before. */
function blocks(rows: number, testRows: number, validationRows: number, stepsIn: number) {
  return {
    name: "transdim blocks",
    source: "xinychen/transdim: predictor/BTMF.ipynb; RMSE and MAPE over non-zero true values",
    stepsIn,
    horizons: [2, 4, 6],
    trainRows: rows - testRows,
    validationRows,
    scaling: "max",
    windows: "blocks",
    nonZeroOnly: true,
  } satisfies Omit<Protocol, "published">;
}

/** Slot and day of rows that come in whole days without dates. */
function plainCalendar(rows: number, stepsPerDay: number) {
  return {
    stepsPerDay,
    slot: Int32Array.from({ length: rows }, (_, row) => row % stepsPerDay),
    weekday: Int32Array.from({ length: rows }, (_, row) => Math.floor(row / stepsPerDay) % 7),
  };
}

/**
 * Hangzhou metro: passengers in 10 minutes at 80 stations, 25 days of 108 slots; the last 7 days are
 * forecast in blocks of 2, 4 or 6 slots. Reads the mirror's CSV or the source's MATLAB array (80, 25, 108).
 */
export function readHangzhouMetro(files: { values: Uint8Array }): TrafficSeries {
  const { values, columns, names } = isMat(files.values)
    ? stationsOfMat(files.values)
    : stationsOfCsv(files.values);
  const rows = values.length / columns;
  return {
    id: "hangzhou-metro",
    title: "Hangzhou metro: passenger flow of stations",
    unit: "passengers per 10 min",
    intervalMinutes: 10,
    ...plainCalendar(rows, 108),
    names,
    values,
    rows,
    columns,
    simulated: false,
    notes: [
      "The source states neither the first date nor the hour of slot 0; a day has 108 slots (18 hours).",
    ],
    protocol: {
      ...blocks(rows, 7 * 108, 4 * 108, 12),
      published: hangzhouMetro,
    },
  };
}

function stationsOfCsv(bytes: Uint8Array) {
  const table = numbersOf(textOf(bytes), "hangzhou_metro_flow.csv", true);
  columnIndex(table.names, ["day", "slot"], "hangzhou_metro_flow.csv");
  const columns = table.columns - 2;
  const values = new Float32Array(table.rows * columns);
  for (let row = 0; row < table.rows; row++) {
    const line = table.values.subarray(row * table.columns, (row + 1) * table.columns);
    if (line[0] !== Math.floor(row / 108) || line[1] !== row % 108)
      throw new UserError(
        `hangzhou_metro_flow.csv, data row ${row}: day ${line[0]}, slot ${line[1]}; rows must run through 108 slots a day`,
      );
    values.set(line.subarray(2), row * columns);
  }
  return { values, columns, names: table.names.slice(2) };
}

function stationsOfMat(bytes: Uint8Array) {
  const { shape, data } = readMat(bytes);
  const [stations = 0, days = 0, slots = 0] = shape;
  if (shape.length !== 3 || slots !== 108)
    throw new UserError(`Hangzhou tensor is [${shape}], expected [stations, days, 108]`);
  const values = new Float32Array(data.length);
  for (let d = 0; d < days; d++)
    for (let t = 0; t < slots; t++)
      for (let s = 0; s < stations; s++)
        values[(d * slots + t) * stations + s] = data[s + stations * (d + days * t)]!;
  const names = Array.from({ length: stations }, (_, s) => `s${String(s).padStart(2, "0")}`);
  return { values, columns: stations, names };
}

const ZONES = 30;
const PAIRS = ZONES * ZONES;

/**
 * New York taxi: hourly trips between 30 x 30 zones, a column a pair (`origin-destination`); the last 168
 * hours are forecast in blocks. Reads the mirror's little-endian uint16 [hour][origin][destination] or the
 * source's MATLAB array (30, 30, hours).
 */
export function readNycTaxi(files: { values: Uint8Array }): TrafficSeries {
  const values = isMat(files.values) ? tripsOfMat(files.values) : tripsOfU16(files.values);
  const rows = values.length / PAIRS;
  return {
    id: "nyc-taxi",
    title: "New York taxi: hourly trips from zone to zone",
    unit: "trips per hour",
    intervalMinutes: 60,
    ...plainCalendar(rows, 24),
    names: Array.from({ length: PAIRS }, (_, i) => `${Math.floor(i / ZONES)}-${i % ZONES}`),
    values,
    rows,
    columns: PAIRS,
    simulated: false,
    notes: ["The source does not state the dates; hour 0 is the first hour of a day."],
    protocol: {
      ...blocks(rows, 168, 168, 24),
      published: nycTaxi,
    },
  };
}

function tripsOfU16(bytes: Uint8Array): Float32Array {
  const plain = unpack(bytes);
  if (plain.length % (2 * PAIRS) !== 0)
    throw new UserError(
      `nyc_taxi_od.u16 holds ${plain.length} bytes, not whole hours of ${2 * PAIRS} bytes`,
    );
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  return Float32Array.from({ length: plain.length / 2 }, (_, i) => view.getUint16(2 * i, true));
}

function tripsOfMat(bytes: Uint8Array): Float32Array {
  const { shape, data } = readMat(bytes);
  if (shape.length !== 3 || shape[0] !== ZONES || shape[1] !== ZONES)
    throw new UserError(`New York tensor is [${shape}], expected [30, 30, hours]`);
  return Float32Array.from({ length: data.length }, (_, i) => {
    const hour = Math.floor(i / PAIRS);
    const origin = Math.floor((i % PAIRS) / ZONES);
    return data[origin + ZONES * ((i % ZONES) + ZONES * hour)]!;
  });
}
