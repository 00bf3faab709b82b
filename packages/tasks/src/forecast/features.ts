import type { Batch, Dataset } from "tensorlane";
import { data, weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { neighbourMean } from "./baselines.ts";
import type { TrafficSeries } from "./data/index.ts";
import { type DayKinds, dailyProfile } from "./profile.ts";
import { chooseProfileByUse } from "./profileChoice.ts";

/** What a forecaster reads, and in which units; kept in `run.json`. */
export interface FeatureSettings {
  readonly stepsIn: number;
  readonly stepsOut: number;
  /** Whether neighbours in the sensor graph are read. */
  readonly graph: boolean;
  /** One level and scale for each column, or the same for all. */
  readonly level: readonly number[];
  readonly scale: readonly number[];
  readonly names: readonly string[];
  readonly intervalMinutes: number;
  readonly unit: string;
  readonly stepsPerDay: number;
  readonly profile: { readonly days: DayKinds; readonly smooth: number };
}

/** Channels of the input sequence: the value, its profile, the whole network's deviation, neighbours. */
export const channelsOf = ({ graph, names }: Pick<FeatureSettings, "graph" | "names">): number =>
  2 + Number(names.length > 1) + 2 * Number(graph);

/** Numbers known beside the sequence: the profile of the steps to come, level, time of day. */
export const contextOf = ({ stepsOut }: Pick<FeatureSettings, "stepsOut">): number => stepsOut + 3;

/**
 * Turns a series into what the networks read. Everything is relative to the last value and in units of
 * the training part's spread, so one network serves all sensors.
 */
export class Features {
  readonly settings: FeatureSettings;
  /** What is usual at each slot of a week (7, stepsPerDay, columns), for series that were not fitted. */
  private readonly week: Float32Array;

  constructor(settings: FeatureSettings, week: Float32Array) {
    this.settings = settings;
    this.week = week;
  }

  /** Fits level, scale and profile to the first `rows` rows. */
  static fit(
    series: TrafficSeries,
    rows: number,
    options: { readonly stepsOut: number; readonly graph: boolean; readonly perColumn: boolean },
  ): Features {
    const { columns, values, stepsPerDay, protocol } = series;
    const { level, scale } = moments(
      values.subarray(0, rows * columns),
      columns,
      options.perColumn,
    );
    const profile = chooseProfileByUse(series, rows);
    const settings = {
      stepsIn: protocol.stepsIn,
      stepsOut: options.stepsOut,
      graph: options.graph,
      level,
      scale,
      names: series.names,
      intervalMinutes: series.intervalMinutes,
      unit: series.unit,
      stepsPerDay,
      profile,
    };
    return new Features(settings, usualWeek(series, rows, profile));
  }

  /** The same settings with the profile of more rows. */
  withProfile(series: TrafficSeries, rows: number): Features {
    return new Features(this.settings, usualWeek(series, rows, this.settings.profile));
  }

  /** Throws unless a series has the columns and the interval that these features were fitted to. */
  check(series: TrafficSeries): void {
    const { names, intervalMinutes, stepsIn } = this.settings;
    const missing = names.filter((name) => !series.names.includes(name));
    if (series.names.length !== names.length || missing.length > 0) {
      throw new UserError(
        `The model was trained on ${names.length} ${names.length === 1 ? "column" : "columns"} (${shorten(names)}); ${series.title} has ` +
          `${series.names.length} (${shorten(series.names)}). Give a table with the same columns.`,
      );
    }
    if (series.intervalMinutes !== intervalMinutes) {
      throw new UserError(
        `The model was trained on steps of ${intervalMinutes} min; ${series.title} has steps of ` +
          `${series.intervalMinutes} min. Resample it first.`,
      );
    }
    const moved = names.findIndex((name, i) => series.names[i] !== name);
    if (moved >= 0) {
      throw new UserError(
        `The model was trained with "${names[moved]}" as column ${moved + 1}; ${series.title} has ` +
          `"${series.names[moved]}" there. Give the columns in the same order.`,
      );
    }
    if (series.rows < stepsIn) {
      throw new UserError(
        `${series.title} has ${series.rows} rows; the model reads the last ${stepsIn}.`,
      );
    }
  }

  /**
   * Samples (window, sensor), a window's sensors side by side. The first `fitted` rows of the series are
   * those that the profile was fitted to; 0 for another series.
   */
  dataset(series: TrafficSeries, starts: ArrayLike<number>, fitted: number): Dataset {
    return new SensorWindows(this, series, starts, this.usual(series, fitted));
  }

  /** What is usual at each row and the steps to come, (rows + stepsOut, columns). */
  private usual(series: TrafficSeries, fitted: number): Float32Array {
    const { stepsOut: extraRows, profile } = this.settings;
    if (fitted > 0) return dailyProfile(series, fitted, { ...profile, extraRows });
    const { columns } = series;
    const result = new Float32Array((series.rows + extraRows) * columns);
    for (let row = 0; row < series.rows + extraRows; row++) {
      const { slot, weekday } = calendarAt(series, row);
      const at = (weekday * series.stepsPerDay + slot) * columns;
      result.set(this.week.subarray(at, at + columns), row * columns);
    }
    return result;
  }

  scaleOf(column: number): number {
    const { scale } = this.settings;
    return scale[scale.length === 1 ? 0 : column];
  }

  levelOf(column: number): number {
    const { level } = this.settings;
    return level[level.length === 1 ? 0 : column];
  }

  /** The usual week as the bytes of a safetensors file. */
  encode(): Uint8Array {
    const { stepsPerDay, names } = this.settings;
    const week = { data: this.week, shape: [7, stepsPerDay, names.length] };
    return weights.writeSafetensors(new Map([["week", week]]));
  }

  static decode(settings: FeatureSettings, bytes: Uint8Array): Features {
    const week = weights.readSafetensors(bytes).arrays.get("week");
    if (!week) throw new UserError("the run's features.safetensors holds no profile");
    return new Features(settings, week.data as Float32Array);
  }
}

/** Slot and weekday of a row, also of rows beyond the end. */
function calendarAt(series: TrafficSeries, row: number) {
  const { rows, slot, weekday, stepsPerDay } = series;
  if (row < rows) return { slot: slot[row], weekday: weekday[row] };
  const ahead = slot[rows - 1] + (row - rows + 1);
  const days = Math.floor(ahead / stepsPerDay);
  return { slot: ahead % stepsPerDay, weekday: (weekday[rows - 1] + days) % 7 };
}

/** The profile of the week that would follow a series. */
function usualWeek(
  series: TrafficSeries,
  rows: number,
  profile: FeatureSettings["profile"],
): Float32Array {
  const { columns, stepsPerDay } = series;
  const extraRows = 7 * stepsPerDay;
  const usual = dailyProfile(series, rows, { ...profile, extraRows });
  const week = new Float32Array(extraRows * columns);
  for (let row = series.rows; row < series.rows + extraRows; row++) {
    const { slot, weekday } = calendarAt(series, row);
    const at = (weekday * stepsPerDay + slot) * columns;
    week.set(usual.subarray(row * columns, (row + 1) * columns), at);
  }
  return week;
}

const shorten = (names: readonly string[]) =>
  names.slice(0, 4).join(", ") + (names.length > 4 ? ", …" : "");

function moments(values: Float32Array, columns: number, perColumn: boolean) {
  const groups = perColumn ? columns : 1;
  const level = new Array<number>(groups).fill(0);
  const spread = new Array<number>(groups).fill(0);
  const count = values.length / groups;
  for (let i = 0; i < values.length; i++) level[i % groups] += values[i] / count;
  for (let i = 0; i < values.length; i++)
    spread[i % groups] += (values[i] - level[i % groups]) ** 2 / count;
  return { level, scale: spread.map((variance) => Math.sqrt(variance) || 1) };
}

/** One sample for each (window, sensor). */
class SensorWindows implements Dataset {
  readonly length: number;
  readonly fields: Dataset["fields"];
  private readonly starts: ArrayLike<number>;
  private readonly features: Features;
  private readonly series: TrafficSeries;
  private readonly usual: Float32Array;
  private readonly network: Float32Array;
  private readonly near: readonly Float32Array[];

  constructor(
    features: Features,
    series: TrafficSeries,
    starts: ArrayLike<number>,
    usual: Float32Array,
  ) {
    const { stepsIn, stepsOut, graph } = features.settings;
    this.features = features;
    this.series = series;
    this.starts = starts;
    this.length = starts.length * series.columns;
    const float = (...shape: number[]) => ({ dtype: "float32" as const, shape });
    this.fields = {
      sequence: float(stepsIn, channelsOf(features.settings)),
      context: float(contextOf(features.settings)),
      target: float(stepsOut),
    };
    this.usual = usual;
    this.network = this.networkDeviation();
    if (graph && !series.adjacency) {
      throw new UserError(
        `${series.title} has no sensor graph; choose a model that needs none, e.g. gru.`,
      );
    }
    const once = graph ? neighbourMean(series) : undefined;
    this.near = once ? [once, neighbourMean({ ...series, values: once })] : [];
  }

  /** How far the whole network is from its usual state, by row: mean of (value - profile) / scale. */
  private networkDeviation(): Float32Array {
    const { rows, columns, values } = this.series;
    return Float32Array.from({ length: rows }, (_, row) => {
      let sum = 0;
      for (let c = 0; c < columns; c++) {
        const at = row * columns + c;
        sum += (values[at] - this.usual[at]) / this.features.scaleOf(c);
      }
      return sum / columns;
    });
  }

  get(indices: ArrayLike<number>): Batch {
    const batch = data.allocateBatch(this.fields, indices.length);
    this.fill(batch, indices);
    return batch;
  }

  fill(target: Batch, indices: ArrayLike<number>): void {
    const field = (name: string) => target[name].data as Float32Array;
    const [sequence, context, wanted] = ["sequence", "context", "target"].map(field);
    const { stepsIn, stepsOut, names } = this.features.settings;
    const { columns, values, rows, stepsPerDay } = this.series;
    const channels = channelsOf(this.features.settings);
    const width = contextOf(this.features.settings);
    for (let i = 0; i < indices.length; i++) {
      const column = indices[i] % columns;
      const start = this.starts[Math.floor(indices[i] / columns)];
      const scale = this.features.scaleOf(column);
      const last = values[(start + stepsIn - 1) * columns + column];
      const relative = (value: number) => (value - last) / scale;
      let at = i * stepsIn * channels;
      for (let row = start; row < start + stepsIn; row++) {
        const place = row * columns + column;
        sequence[at++] = relative(values[place]);
        sequence[at++] = relative(this.usual[place]);
        if (names.length > 1) sequence[at++] = this.network[row];
        for (const means of this.near) sequence[at++] = relative(means[place]);
      }
      at = i * width;
      const next = start + stepsIn;
      for (let step = 0; step < stepsOut; step++) {
        const place = (next + step) * columns + column;
        context[at++] = relative(this.usual[place]);
        wanted[i * stepsOut + step] = next + step < rows ? relative(values[place]) : 0;
      }
      const angle = (2 * Math.PI * calendarAt(this.series, next).slot) / stepsPerDay;
      context[at++] = (last - this.features.levelOf(column)) / scale;
      context[at++] = Math.sin(angle);
      context[at++] = Math.cos(angle);
    }
  }
}
