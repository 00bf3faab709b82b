import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CellSpec, capacityOf, Road } from "./ctm.ts";

const cell: CellSpec = { miles: 0.25, lanes: 2, freeSpeed: 60, waveSpeed: 15, jamDensity: 160 };
const HOURS = 15 / 3600; // free flow crosses exactly one cell in a step
const plain = (n: number) => new Road({ cells: Array(n).fill(cell), onRamps: [], offRamps: [] });

describe("Road", () => {
  it("has the capacity of the triangle", () => {
    // 60 * 15 * 160 / 75 = 1920 a lane.
    expect(capacityOf(cell)).toBeCloseTo(3840);
  });

  it("moves light traffic at free speed, one cell a step, undistorted", () => {
    const road = plain(6);
    road.step(HOURS, { upstream: 5, ramps: [] });
    for (let k = 0; k < 3; k++) road.step(HOURS, { upstream: 0, ramps: [] });
    expect([...road.vehicles].map((x) => Math.round(x * 1e9) / 1e9)).toEqual([0, 0, 0, 5, 0, 0]);
  });

  it("lets no more than capacity through a bottleneck, and the queue grow at the theory's speed", () => {
    const n = 80;
    const road = plain(n);
    const demand = 3000;
    const bottleneck = 70;
    const left = 0.5;
    for (let k = 0; k < 200; k++) road.step(HOURS, { upstream: demand * HOURS, ramps: [] });
    road.capacityLeft[bottleneck] = left;
    const steps = 200;
    let through = 0;
    for (let k = 0; k < steps; k++) {
      road.step(HOURS, { upstream: demand * HOURS, ramps: [] });
      through = Math.max(through, road.outflow[bottleneck]!);
    }
    const flow = left * capacityOf(cell);
    expect(through / HOURS).toBeLessThanOrEqual(flow + 1e-6);
    // Shock between the states (demand, free) and (flow, congested): speed = dq / dk.
    const free = demand / cell.freeSpeed;
    const jam = cell.jamDensity * cell.lanes - flow / cell.waveSpeed;
    const speed = (flow - demand) / (jam - free);
    const queued = road.vehicles.findIndex((v) => v / cell.miles > (free + jam) / 2);
    const front = bottleneck + (speed * steps * HOURS) / cell.miles;
    expect(Math.abs(queued - front)).toBeLessThan(2);
    // The other wave: when the way is free again, the discharge eats into the queue at the wave speed.
    road.capacityLeft[bottleneck] = 1;
    const back = 20;
    for (let k = 0; k < back; k++) road.step(HOURS, { upstream: demand * HOURS, ramps: [] });
    const full = road.vehicles.findLastIndex((v) => v / cell.miles > (jam + 128) / 2);
    const recovered = bottleneck - (cell.waveSpeed * back * HOURS) / cell.miles;
    expect(Math.abs(full - recovered)).toBeLessThan(3);
  });

  it("conserves vehicles, keeps densities in bounds and flows below capacity, whatever happens", () => {
    const spec = {
      cells: [cell, { ...cell, lanes: 3 }, cell, { ...cell, lanes: 1 }, cell, cell],
      onRamps: [{ cell: 2, perHour: 1200 }],
      offRamps: [
        { cell: 1, share: 0.2 },
        { cell: 4, share: 0.3 },
      ],
    };
    const event = fc.record({
      upstream: fc.double({ min: 0, max: 60, noNaN: true }),
      ramp: fc.double({ min: 0, max: 20, noNaN: true }),
      at: fc.nat(5),
      left: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 60 }), (events) => {
        const road = new Road(spec);
        let came = 0;
        let gone = 0;
        for (const { upstream, ramp, at, left } of events) {
          road.capacityLeft[at] = left;
          came += upstream + ramp;
          gone += road.step(HOURS, { upstream, ramps: [ramp] });
          gone += road.exits.reduce((a, b) => a + b, 0);
          for (const [i, c] of spec.cells.entries()) {
            expect(road.vehicles[i]).toBeGreaterThanOrEqual(-1e-9);
            expect(road.vehicles[i]).toBeLessThanOrEqual(c.jamDensity * c.lanes * c.miles + 1e-9);
            expect(road.outflow[i]! / HOURS).toBeLessThanOrEqual(
              capacityOf(c) * road.capacityLeft[i]! + 1e-6,
            );
          }
          expect(road.rampQueues[0]).toBeGreaterThanOrEqual(-1e-9);
        }
        expect(road.total()).toBeCloseTo(came - gone, 6);
      }),
      { numRuns: 60 },
    );
  });

  it("refuses steps that would skip cells, and ramps beside the road", () => {
    expect(() => plain(2).step(2 * HOURS, { upstream: 0, ramps: [] })).toThrow(
      /2.00 cells in a step/,
    );
    expect(
      () => new Road({ cells: [cell], onRamps: [{ cell: 1, perHour: 1 }], offRamps: [] }),
    ).toThrow(/ramp at cell 1 of a road of 1 cells/);
  });
});
