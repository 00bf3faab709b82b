import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadTraffic, trafficIds } from "./load.ts";

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "tensorlane-load-"));
});
afterEach(() => rm(cache, { recursive: true }));
const nowhere = () => ({
  mirror: null,
  cache,
  offline: true,
  simulator: { detectors: 8, days: 1 },
});

describe("loadTraffic", () => {
  it("puts a loud simulation in place of the default set, and of that alone", async () => {
    const series = await loadTraffic(undefined, nowhere());
    expect(series.simulated).toBe(true);
    expect(series.notes[0]).toMatch(
      /^SIMULATED data in place of los-loop: .*network is ruled out.*TENSORLANE_DATA_MIRROR/,
    );
    await expect(loadTraffic("pems-flow", nowhere())).rejects.toThrow(
      /pems-flow: traffic\/pems_flow_train.csv.gz is neither in a mirror.*Set TENSORLANE_DATA_MIRROR/,
    );
    await expect(
      loadTraffic("los-loop", { ...nowhere(), allowSimulation: false }),
    ).rejects.toMatchObject({ code: "offline" });
  });

  it("puts nothing in place of a damaged or misnamed mirror", async () => {
    await expect(
      loadTraffic("los-loop", { ...nowhere(), mirror: join(cache, "absent") }),
    ).rejects.toThrow(/mirror folder .*absent does not exist/);
  });

  it("reads the cache, and says when its values are not the known ones", async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${i},60`).join("\n");
    await mkdir(join(cache, "traffic"));
    await writeFile(join(cache, "traffic/los_speed.csv"), `1,2\n${rows}\n`);
    await writeFile(join(cache, "traffic/los_adj.csv"), "1,0\n0,1\n");
    const los = await loadTraffic("los-loop", nowhere());
    expect(los.simulated).toBe(false);
    expect(los.notes.join(" ")).toMatch(
      /values differ from those .* rows of others do not compare/,
    );
  });

  it("names the known sets when asked for another", async () => {
    await expect(loadTraffic("los-lop")).rejects.toThrow(
      /no data set "los-lop": known are los-loop, pems-flow, .*simulated; for your own data give the path/,
    );
    await expect(loadTraffic("mnist")).rejects.toThrow(/no data set "mnist"/);
    expect(trafficIds().length).toBe(13);
  });
});
