import { inspect } from "tensorlane";
import { describe, expect, it } from "vitest";
import { forecast } from "./index.ts";
import { networks } from "./networks.ts";

const summaryOf = (id: string, input?: readonly number[]) => {
  const network = networks.find((one) => one.id === id)!;
  const { model, inputs } = network.build(input ?? network.input, undefined);
  return inspect.summary(model, inputs);
};

describe("networks", () => {
  it("are the models of the task", () => {
    expect(networks.map(({ id }) => id)).toEqual(forecast.models);
  });

  it("are counted as built for training", () => {
    // LSTM of 32 units over 3 channels; then 32 + 15 -> 64 -> 12.
    const { layers, parameters, macs } = summaryOf("lstm");
    const lstm = 4 * 32 * (3 + 32 + 2);
    expect(layers.map((layer) => [layer.name, layer.parameters])).toEqual([
      ["encoder", lstm],
      ["hidden", (32 + 15 + 1) * 64],
      ["out", (64 + 1) * 12],
    ]);
    expect(parameters).toBe(lstm + 48 * 64 + 65 * 12);
    expect(macs).toBe(12 * 4 * 32 * 35 + 47 * 64 + 64 * 12);
  });

  it("take other windows, and say which they cannot", () => {
    for (const { id, input } of networks) {
      expect(summaryOf(id, [24, input[1]!]).inputShapes[0]).toEqual([1, 24, input[1]]);
    }
    expect(() => summaryOf("gru", [12, 9])).toThrow(/3 channels, or 2 where .*received 12x9/);
    expect(() => summaryOf("gru", [12])).toThrow(/steps x channels/);
  });
});
