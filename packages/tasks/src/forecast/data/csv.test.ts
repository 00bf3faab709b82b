import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UserError } from "../../errors.ts";
import { csvSeries, readCsvSeries } from "./csv.ts";
import { loadTraffic } from "./load.ts";
import { timeFormatOf } from "./timestamps.ts";

const pad = (n: number) => String(n).padStart(2, "0");
/** Rows every 5 minutes from 2024-05-01 00:00. */
const stamps = (n: number, write: (date: Date) => string) =>
  Array.from({ length: n }, (_, i) => write(new Date(Date.UTC(2024, 4, 1) + i * 300_000)));
const iso = (d: Date) => d.toISOString().slice(0, 16).replace("T", " ");
const dayFirst = (d: Date) =>
  `${pad(d.getUTCDate())}/${pad(d.getUTCMonth() + 1)}/${d.getUTCFullYear()} ${d.getUTCHours()}:${pad(d.getUTCMinutes())}`;
const table = (n: number, write = iso, row = (i: number) => `${i},${i * 2}`) =>
  `time,north,south\n${stamps(n, write)
    .map((t, i) => `${t},${row(i)}`)
    .join("\n")}\n`;

describe("timeFormatOf", () => {
  it.each([
    ["2015-09-08 11:39:00", "year-month-day", "2015-09-08T11:39:00Z"],
    ["2015-09-08T11:39:00.250+02:00", "year-month-day", "2015-09-08T11:39:00Z"],
    ["2024/5/1", "year-month-day", "2024-05-01T00:00:00Z"],
    ["31/12/2024 8:05", "day/month/year", "2024-12-31T08:05:00Z"],
    ["31-12-2024 08:05", "day/month/year", "2024-12-31T08:05:00Z"],
    ["31.12.2024 08:05:30", "day/month/year", "2024-12-31T08:05:30Z"],
    ["12/31/2024 12:05 AM", "month/day/year", "2024-12-31T00:05:00Z"],
    ["12/31/2024 1:05 pm", "month/day/year", "2024-12-31T13:05:00Z"],
    ["1714521600", "seconds since 1970", "2024-05-01T00:00:00Z"],
    ["1714521600000", "milliseconds since 1970", "2024-05-01T00:00:00Z"],
  ])("reads %s", (cell, name, time) => {
    const format = timeFormatOf([cell])!;
    expect(format.name).toBe(name);
    expect(format.parse(cell)).toBe(Date.parse(time));
  });

  it("takes no numbers or impossible dates for times", () => {
    for (const cell of ["12", "3.5", "north", "2024-02-30", "99/99/2024", "2024-01-01 10:75"])
      expect(timeFormatOf([cell, cell]), cell).toBeUndefined();
  });

  it("decides day or month by the cells, else by the order, and says when it assumed", () => {
    expect(timeFormatOf(["01/02/2024", "13/02/2024"])!.name).toBe("day/month/year");
    expect(timeFormatOf(["01/02/2024", "02/13/2024"])!.name).toBe("month/day/year");
    const rising = timeFormatOf(["01/02/2024", "02/02/2024", "03/02/2024"])!;
    expect(rising.name).toBe("day/month/year");
    expect(rising.note).toMatch(/could be read either way; taken as day/);
    expect(timeFormatOf(["02/01/2024", "02/02/2024", "02/03/2024"])!.name).toBe("month/day/year");
  });
});

describe("files that cannot be used", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tensorlane-bad-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it.each<[string, string | Uint8Array, RegExp]>([
    ["empty", "", /is empty/],
    ["header", "time,v\n", /has a header but no rows/],
    ["no times", `a,b\n${"1,2\n".repeat(200)}`, /no column of times/],
    ["one column", `time\n${"2024-01-01\n".repeat(200)}`, /has one column/],
    ["words", table(200, iso, () => "x,y"), /no column of numbers/],
    ["short", table(20), /at least 100/],
    ["same times", table(200, () => "2024-01-01"), /the same time/],
    ["quotes", 'time,"a\n2024-01-01,1', /well-formed/],
    ["cut gzip", gzipSync(table(300)).subarray(0, 100), /gzip data are damaged/],
  ])("%s: the user is told, not blamed on us", async (name, content, message) => {
    const path = join(folder, `${name}.csv`);
    await writeFile(path, content);
    const failure = await readCsvSeries(path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as Error).message).toMatch(message);
  });

  it("reads what spreadsheets write as UTF-16", async () => {
    const path = join(folder, "wide.csv");
    await writeFile(path, Buffer.from(`\ufeff${table(300)}`, "utf16le"));
    expect((await readCsvSeries(path)).names).toEqual(["north", "south"]);
  });

  it("takes values beyond float32 for missing", () => {
    const series = csvSeries(
      table(300, iso, (i) => `${i === 7 ? "1e39" : i},1`),
      "flow.csv",
    );
    expect(series.values.every(Number.isFinite)).toBe(true);
    expect(series.notes.join()).toMatch(/"north": 1 cell/);
  });
});

describe("csvSeries", () => {
  it("reads a plain table", () => {
    const series = csvSeries(table(300), "flow.csv", { unit: "veh" });
    expect(series).toMatchObject({
      id: "flow",
      unit: "veh",
      intervalMinutes: 5,
      rows: 300,
      columns: 2,
      names: ["north", "south"],
      start: "2024-05-01T00:00",
      simulated: false,
    });
    expect([...series.values.subarray(0, 4)]).toEqual([0, 0, 1, 2]);
    // 1 May 2024 was a Wednesday.
    expect([series.weekday[0], series.slot[13]]).toEqual([2, 13]);
    expect(series.protocol).toMatchObject({ trainRows: 240, validationRows: 30 });
    expect(series.notes).toEqual(['Read as 5 min data, times in "time" (year-month-day).']);
  });

  it("copes with BOM, CRLF, semicolons, quotes, decimal commas and words", () => {
    const rows = stamps(260, dayFirst).map((t, i) => `"${t}";"${i},5";"road; ""A"""`);
    const series = csvSeries(`\ufeff"Zeit";"Fluss";"Ort"\r\n${rows.join("\r\n")}\r\n`, "f.csv");
    expect(series.names).toEqual(["Fluss"]);
    expect(series.values[3]).toBe(3.5);
    expect(series.notes.join(" ")).toMatch(/decimal comma.*without numbers are not used: Ort/);
  });

  it("repairs and reports missing, repeated, late and unreadable rows and cells", () => {
    const lines = table(260, iso, (i) => `${i},${i === 7 ? "NA" : i === 8 ? "broken" : i}`)
      .trimEnd()
      .split("\n");
    const [head, ...rest] = lines;
    const moved = [
      ...rest.slice(0, 40),
      ...rest.slice(43, 60),
      rest[41]!,
      rest[59]!,
      ...rest.slice(60),
    ];
    const series = csvSeries([head, ...moved, "someday,1,2"].join("\n"), "f.csv");
    const notes = series.notes.join(" ");
    expect(series.rows).toBe(260);
    expect(notes).toMatch(/1 of 260 rows have no readable time in "time"/);
    expect(notes).toMatch(/"south": 1 cells are no numbers/);
    expect(notes).toMatch(/1 row out of time order/);
    expect(notes).toMatch(/1 row repeats a time/);
    expect(notes).toMatch(/2 missing rows in gaps/);
    expect(notes).toMatch(/2 missing values in rows that exist/);
    expect(series.values[8 * 2 + 1]).toBeCloseTo(8, 5);
    expect(series.observed![8 * 2 + 1]).toBe(0);
  });

  it("says when gaps leave no window in a part", () => {
    const far = (d: Date) => iso(new Date(+d + Math.floor(+d / 6e6) * 36e5));
    expect(() => csvSeries(table(300, far), "f.csv")).toThrow(
      /f\.csv: long gaps cut its 300 rows into 16 runs, and the train part has none of 12 \+ 12/,
    );
  });

  it("makes room for a window in every part of a short file", () => {
    const { protocol, rows } = csvSeries(table(100), "f.csv");
    expect([rows, protocol.trainRows, protocol.validationRows]).toEqual([100, 75, 25]);
  });

  it("says what it assumed about zones", () => {
    const zoned = csvSeries(
      table(300, (d) => d.toISOString()),
      "f.csv",
    );
    expect(zoned.notes[0]).toMatch(/zone left aside/);
    const counted = csvSeries(
      table(300, (d) => String(+d / 1000)),
      "f.csv",
    );
    expect(counted.notes[0]).toMatch(/the clock is UTC/);
  });

  it("takes the columns it is told to", () => {
    const series = csvSeries(table(300), "f.csv", { timeColumn: "time", columns: ["south"] });
    expect(series.names).toEqual(["south"]);
    expect(() => csvSeries(table(300), "f.csv", { columns: ["west"] })).toThrow(
      /no column "west"; it has: time, north, south/,
    );
    expect(() => csvSeries(table(300), "f.csv", { timeColumn: "when" })).toThrow(
      /no column "when" for the times/,
    );
  });

  it.each([
    ["", /is empty/],
    ["time,flow\n", /header but no rows/],
    ["just words\nmore\n", /one column; a column of times and at least one of values/],
    ["1,2\n3,4\n", /holds numbers; the first line must name the columns/],
    ["a,b\nx,1\ny,2\n", /no column of times among a \("x"\), b \("1"\)\. Readable are/],
    ['time,a\n"2024-01-01,1\n', /no well-formed CSV: Quote Not Closed/],
    [table(60), /60 rows; 12 steps in and up to 12 out need at least 100/],
    [table(300, iso, () => "red,blue"), /no column of numbers; left beside the times: "north"/],
  ])("names what is wrong with %j", (text, message) => {
    expect(() => csvSeries(text as string, "my.csv")).toThrow(message as RegExp);
    expect(() => csvSeries(text as string, "my.csv")).toThrow(/my\.csv/);
  });
});

describe("readCsvSeries", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tensorlane-csv-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("reads files, packed ones too, also by way of loadTraffic", async () => {
    const path = join(folder, "flow.csv");
    await writeFile(path, table(300));
    await writeFile(`${path}.gz`, gzipSync(table(300)));
    const plain = await loadTraffic(path);
    const packed = await loadTraffic(`${path}.gz`);
    expect(packed.values).toEqual(plain.values);
    expect([plain.id, packed.id]).toEqual(["flow", "flow"]);
  });

  it("says when there is no file", async () => {
    await expect(readCsvSeries(join(folder, "no.csv"))).rejects.toThrow(
      /no\.csv does not exist: give the path of a CSV file/,
    );
    await expect(readCsvSeries(folder)).rejects.toThrow(/is a folder/);
  });
});
