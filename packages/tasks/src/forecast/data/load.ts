import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import {
  type DataEntry,
  DataError,
  type DataPlaces,
  dataEntries,
  dataEntry,
  type ObtainedFile,
  obtainFile,
} from "tensorlane/node";
import { UserError } from "../../errors.ts";
import { type CsvOptions, readCsvSeries } from "./csv.ts";
import { readInterstate } from "./interstate.ts";
import { readLosLoop } from "./los.ts";
import { readNab } from "./nab.ts";
import { readPemsFlow } from "./pems.ts";
import type { TrafficSeries } from "./series.ts";
import { type SimulatorOptions, simulateTraffic } from "./simulator.ts";
import { readHangzhouMetro, readNycTaxi } from "./transdim.ts";

/** The set that `npm start` shows, and the only one that a simulation may stand in for. */
export const DEFAULT_TRAFFIC = "los-loop";

export interface LoadOptions extends DataPlaces {
  /** For a file of the user's own. */
  readonly csv?: CsvOptions | undefined;
  /** For the id `simulated`, and for the stand-in of the default set. */
  readonly simulator?: SimulatorOptions | undefined;
  /** Whether the default set may be replaced by a simulation where it cannot be had; default true. */
  readonly allowSimulation?: boolean | undefined;
}

type Files = Readonly<Record<string, Uint8Array>>;

/** Which files a set needs and how they become a series. */
interface Reader {
  readonly roles: readonly string[];
  readonly read: (files: Files, entry: DataEntry) => TrafficSeries;
  /**
   * SHA-256 of the values (float32, little-endian, then the adjacency) as the published protocol was checked
   * with: it holds whatever the file format, so it also tells whether an unverified download is right.
   */
  readonly fingerprint?: string;
}

const readers: Readonly<Record<string, Reader>> = {
  "los-loop": {
    roles: ["values", "adjacency"],
    read: (f) => readLosLoop({ values: f.values!, adjacency: f.adjacency! }),
    fingerprint: "a6fd053b9d9a101b34c14d8c30e12342b21f3107f9856a703d72ef5e4d12b94a",
  },
  "pems-flow": {
    roles: ["train", "test"],
    read: (f) => readPemsFlow({ train: f.train!, test: f.test! }),
    fingerprint: "e874a1ce610512c36ba9f5440ec10b7fbea2ac3a977462592eddf514baf3fba6",
  },
  "hangzhou-metro": {
    roles: ["values"],
    read: (f) => readHangzhouMetro({ values: f.values! }),
    fingerprint: "144e8482289743d71be7fd7e3f5b5a648ab048dd7144964b9017c726da461de4",
  },
  "nyc-taxi": {
    roles: ["values"],
    read: (f) => readNycTaxi({ values: f.values! }),
    fingerprint: "240a84d3d96e609eae6e34a5b2963eaf143579cef4e3547772e5faa2f6619371",
  },
  "metro-interstate": {
    roles: ["values"],
    read: (f) => readInterstate({ values: f.values! }),
  },
};

const nabReader: Reader = {
  roles: ["values", "windows"],
  read: (f, { id, title, unit = "", interval = 5, files }) => {
    const file = files[0]!.path.split("/").at(-1)!;
    return readNab({ id, title, unit, interval, file }, { values: f.values!, windows: f.windows! });
  },
};

/** The ids that `loadTraffic` knows, the simulation among them. */
export function trafficIds(): string[] {
  const forecast = dataEntries().filter((entry) => entry.loader === "forecast");
  return [...forecast.map((entry) => entry.id), "simulated"];
}

/**
 * A traffic series by id, or from a user's CSV file by path: mirror, then cache, then network.
 *
 * Where the default set cannot be reached (an unreachable source is given up after 5 s) a simulation stands
 * in: `simulated` is true, title and notes say so. Any other set, and any damaged file, is an error that says
 * what to do.
 *
 * @example const series = await loadTraffic("los-loop", { mirror: "../shared/data" });
 */
export async function loadTraffic(
  source: string = DEFAULT_TRAFFIC,
  options: LoadOptions = {},
): Promise<TrafficSeries> {
  if (source === "simulated") return simulateTraffic(options.simulator);
  if (trafficIds().includes(source)) {
    try {
      return await loadRegistered(dataEntry(source), options);
    } catch (error) {
      if (!standsIn(source, error, options)) throw error;
      const series = simulateTraffic(options.simulator);
      const why = (error as Error).message;
      return {
        ...series,
        notes: [`SIMULATED data in place of ${source}: ${why}.`, ...series.notes],
      };
    }
  }
  const looksLikeFile = /[/\\]|\.(csv|tsv|txt)(\.gz)?$/i.test(source);
  if (looksLikeFile || (await stat(source).catch(() => undefined)))
    return readCsvSeries(source, options.csv);
  throw new UserError(
    `no data set "${source}": known are ${trafficIds().join(", ")}; for your own data give the path of a CSV file`,
  );
}

function standsIn(id: string, error: unknown, { allowSimulation = true }: LoadOptions): boolean {
  return (
    id === DEFAULT_TRAFFIC &&
    allowSimulation &&
    error instanceof DataError &&
    ["unreachable", "offline", "http"].includes(error.code)
  );
}

async function loadRegistered(entry: DataEntry, places: DataPlaces): Promise<TrafficSeries> {
  const reader = readers[entry.id] ?? nabReader;
  const files: Record<string, Uint8Array> = {};
  const obtained: ObtainedFile[] = [];
  // One after the other: where the first is out of reach the rest need not be tried.
  for (const role of reader.roles) {
    const file = await obtainFile(entry, role, places);
    obtained.push(file);
    files[role] = file.bytes;
  }
  const series = reader.read(files, entry);
  return { ...series, notes: [...series.notes, ...trust(series, reader, obtained)] };
}

/** Says where no published hash vouches for a download, and whether its values are the known ones. */
function trust(series: TrafficSeries, reader: Reader, files: readonly ObtainedFile[]): string[] {
  const unverified = files.filter((file) => !file.verified);
  if (reader.fingerprint !== undefined && fingerprintOf(series) !== reader.fingerprint)
    return [
      "The values differ from those that the published results were checked with: the rows of others do not compare.",
    ];
  if (unverified.length === 0) return [];
  const names = unverified.map((file) => file.path).join(", ");
  return reader.fingerprint === undefined
    ? [`No published hash vouches for ${names}: unverified.`]
    : [`No published hash vouches for ${names}, but the values are the known ones.`];
}

/** SHA-256 of a series' values and adjacency as little-endian float32. */
export function fingerprintOf(series: Pick<TrafficSeries, "values" | "adjacency">): string {
  const hash = createHash("sha256");
  for (const array of [series.values, series.adjacency]) {
    if (array === undefined) continue;
    const bytes = new DataView(new ArrayBuffer(array.length * 4));
    for (const [i, value] of array.entries()) bytes.setFloat32(i * 4, value, true);
    hash.update(new Uint8Array(bytes.buffer));
  }
  return hash.digest("hex");
}
