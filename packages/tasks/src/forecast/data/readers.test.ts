import { describe, expect, it } from "vitest";
import { readInterstate } from "./interstate.ts";
import { readLosLoop } from "./los.ts";
import { readNab } from "./nab.ts";
import { readPemsFlow } from "./pems.ts";
import { seriesWindows } from "./series.ts";
import { readHangzhouMetro } from "./transdim.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("readers, on made-up files in the real formats", () => {
  it("read Los-loop", () => {
    const values = bytes(
      `11,12\n${Array.from({ length: 100 }, (_, i) => `${i},60.5`).join("\n")}\n`,
    );
    const series = readLosLoop({ values, adjacency: bytes("1,0.5\n0.5,1\n") });
    expect(series).toMatchObject({ rows: 100, columns: 2, names: ["11", "12"] });
    expect([...series.adjacency!]).toEqual([1, 0.5, 0.5, 1]);
    expect(seriesWindows(series, "test", 3).length).toBe(20 - 15);
    expect(() => readLosLoop({ values, adjacency: bytes("1\n") })).toThrow(
      /do not belong together/,
    );
    expect(() => readLosLoop({ values: bytes("a,b\n1,x\n"), adjacency: values })).toThrow(
      /data row 0, column b: "x" is no number/,
    );
    expect(() => readLosLoop({ values: bytes("a,b\n1\n"), adjacency: values })).toThrow(
      /1 cells, expected 2/,
    );
    expect(() => readLosLoop({ values: bytes("a,b\n"), adjacency: values })).toThrow(/no rows/);
  });

  it("read PeMS lane flow", () => {
    const head = "\ufeff5 Minutes,Lane 1 Flow (Veh/5 Minutes),# Lane Points,% Observed\n";
    const day = (date: string) =>
      Array.from({ length: 20 }, (_, i) => `${date} 0:${String(i).padStart(2, "0")},${i},1,100`);
    const file = (...dates: string[]) => bytes(head + dates.flatMap(day).join("\n"));
    const series = readPemsFlow({ train: file("29/02/2016"), test: file("04/03/2016") });
    expect(series.rows).toBe(40);
    expect(series.start).toBe("2016-02-29T00:00");
    expect(seriesWindows(series, "test", 1).length).toBe(8);
    expect(() => readPemsFlow({ train: bytes("a,b\n1,2\n"), test: bytes("") })).toThrow(
      /pems_flow_train.csv has no column "5 Minutes"; it has: a, b/,
    );
  });

  it("read Hangzhou's CSV only in time order", () => {
    expect(() => readHangzhouMetro({ values: bytes("day,slot,s00\n0,1,5\n") })).toThrow(
      /rows must run through 108 slots/,
    );
  });

  it("read the Interstate table: repeats, gaps and impossible readings", () => {
    const line = (
      volume: number,
      holiday: string,
      temp: number,
      rain: number,
      hour: number,
      day = 1,
    ) =>
      `${volume},${holiday},${temp},${rain},0,40,Clouds,few,0${day}-10-2012 ${String(hour).padStart(2, "0")}:00`;
    const head =
      "traffic_volume,holiday,temp,rain_1h,snow_1h,clouds_all,weather_main,weather_description,date_time\r\n";
    const lines = [
      line(100, "Columbus Day", 280, 0, 0),
      line(200, "None", 0, 9831.3, 1),
      line(200, "None", 0, 9831.3, 1),
      line(400, "None", 282, 0.5, 3),
      line(500, "None", 282, 0.5, 14),
      line(600, "None", 282, 0.5, 0, 2),
    ];
    const series = readInterstate({ values: bytes(head + lines.join("\r\n")) });
    expect([...series.values]).toEqual([100, 200, 300, 400, 500, 600]);
    expect(series.segments).toEqual([
      { start: 0, end: 4 },
      { start: 4, end: 5 },
      { start: 5, end: 6 },
    ]);
    const [holiday, temp, rain] = [...series.covariates!.values.subarray(5, 8)];
    expect([holiday, temp]).toEqual([1, 281 - 1 / 3].map((x) => expect.closeTo(x, 3)));
    expect(rain).toBeCloseTo(1 / 6, 4);
    // The holiday ends with its day.
    expect(series.covariates!.values[5 * 5]).toBe(0);
    expect(series.notes.join(" ")).toMatch(/0 K in 2 rows, rain above 305 mm in 2/);
    expect(() => readInterstate({ values: bytes(`${head}1,None,1,0,0,0,a,b,never\n`) })).toThrow(
      /no times in column "date_time"/,
    );
  });

  it("read NAB with the windows of either file", () => {
    const source = {
      id: "nab-x",
      title: "x",
      unit: "mph",
      interval: 5,
      file: "x.csv",
    };
    const rows = Array.from(
      { length: 12 },
      (_, i) => `2015-09-08 11:${String(i * 5).padStart(2, "0")}:00,${i}`,
    );
    const values = bytes(`timestamp,value\n${rows.join("\n")}\n`);
    const times = [["2015-09-08 11:14:00.000000", "2015-09-08 11:31:00.000000"]];
    for (const key of ["x.csv", "realTraffic/x.csv"]) {
      const windows = bytes(JSON.stringify({ [key]: times }));
      const series = readNab(source, { values, windows });
      expect(series.anomalies![0]).toMatchObject({ start: 3, end: 7 });
      expect(series.notes).toEqual([]);
    }
    expect(() => readNab(source, { values, windows: bytes("{}") })).toThrow(
      /name no series "x.csv"/,
    );
    const bad = bytes("timestamp,value\n2015-09-08 11:00:00,\n");
    expect(() => readNab(source, { values: bad, windows: bytes("{}") })).toThrow(/is no reading/);
  });
});
