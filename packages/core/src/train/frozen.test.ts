import { expect, test } from "vitest";
import { topological } from "../graph/walk.ts";
import { data, MemoryStorage, nn, optim, type Tensor, Trainer, weights } from "../index.ts";
import { traceStep } from "./trace.ts";

const loss = (model: nn.Sequential, { x, y }: Readonly<Record<string, Tensor>>) =>
  nn.mseLoss(model.forward(x), y);

function network() {
  nn.manualSeed(4);
  const features = new nn.Sequential(
    new nn.Linear({ inFeatures: 4, outFeatures: 6 }),
    new nn.BatchNorm1d({ numFeatures: 6 }),
    new nn.Tanh(),
  );
  return new nn.Sequential(features, new nn.Linear({ inFeatures: 6, outFeatures: 2 }));
}
const wave = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.3));
const loader = () =>
  new data.DataLoader(
    new data.ArrayDataset({
      x: { data: wave(64), shape: [16, 4] },
      y: { data: wave(32), shape: [16, 2] },
    }),
    { batchSize: 8, shuffle: true, seed: 2 },
  );

/** Nodes of the features that the gradients need and the loss does not. */
function backwardNodes(model: nn.Sequential): number {
  const traced = traceStep(model, loss, loader().fields, 8);
  const forward = new Set(topological([traced.loss, ...traced.updates.values()]));
  const step = topological(traced.trained.map(({ gradient }) => gradient));
  return step.filter((node) => node.path.startsWith("0.") && !forward.has(node)).length;
}

test("the frozen part is not computed backward", () => {
  const model = network();
  expect(backwardNodes(model)).toBeGreaterThan(0);
  model.layers[0].requiresGrad(false);
  expect(backwardNodes(model)).toBe(0);
  model.layers[0].requiresGrad(true);
  expect(backwardNodes(model)).toBeGreaterThan(0);
});

test("frozen weights stay, have no optimiser state, and a checkpoint resumes bit for bit", async () => {
  const trainerOn = (storage: MemoryStorage) => {
    const model = network();
    model.layers[0].requiresGrad(false);
    return new Trainer(model, { loss, optimizer: new optim.AdamW({ lr: 0.05 }), storage });
  };
  const whole = trainerOn(new MemoryStorage());
  const before = whole.model.layers[0].parameters().map((parameter) => parameter.data.slice());
  await whole.fit(loader(), { epochs: 4 });
  expect(whole.model.layers[0].parameters().map((parameter) => parameter.data)).toEqual(before);
  // As in PyTorch, frozen batch norms in training mode go on measuring.
  expect(whole.model.stateDict().get("0.1.num_batches_tracked")!.data[0]).toBe(8n);

  const storage = new MemoryStorage();
  await trainerOn(storage).fit(loader(), { epochs: 2 });
  const state = weights.readSafetensors(storage.files.get("state.safetensors")!);
  const slotted = new Set([...state.arrays.keys()].map((name) => name.replace(/\.[^.]*$/, "")));
  expect([...slotted].sort()).toEqual(["1.bias", "1.weight"]);
  const resumed = trainerOn(storage);
  expect(await resumed.resume()).toBe(true);
  await resumed.fit(loader(), { epochs: 4 });
  expect(resumed.model.stateDict()).toEqual(whole.model.stateDict());
});
