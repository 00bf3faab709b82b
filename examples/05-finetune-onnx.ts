// Trains a model from an ONNX file further: cut before its head, frozen, with a head for other classes.
import { Dim, data, nn, onnx, optim, type Tensor, Trainer } from "tensorlane";

// Somebody's network of ten classes. PyTorch writes such a file by
// torch.onnx.export(model, x, path, training=torch.onnx.TrainingMode.TRAINING).
nn.manualSeed(2);
const theirs = new nn.Sequential(
  new nn.Conv2d({ inChannels: 1, outChannels: 8, kernelSize: 3, padding: 1 }),
  new nn.BatchNorm2d({ numFeatures: 8 }),
  new nn.ReLU(),
  new nn.AdaptiveAvgPool2d({ outputSize: 1 }),
  new nn.Flatten(),
  new nn.Linear({ inFeatures: 8, outFeatures: 10 }),
);
const shape = [new Dim("batch"), 1, 8, 8];
const file = await onnx.exportModel(theirs, { inputs: { x: { shape } } });

// What the file computes, step by step: the features are what the old head reads.
const { valueNames } = onnx.importModel(file);
console.log(valueNames.join(" "));
const features = onnx.importModel(file, { outputs: ["4/reshape"] });
features.requiresGrad(false); // not computed backward, and no optimiser state
const head = new nn.Linear({ inFeatures: 8, outFeatures: 2 });
const model = new nn.Sequential(features, head);

// Two new classes: stripes across and stripes down, somewhere in noise.
const count = 64;
const images = new Float32Array(count * 64);
const labels = Int32Array.from({ length: count }, (_, n) => n % 2);
for (let i = 0; i < images.length; i++) {
  const [n, row, column] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
  images[i] = ((n % 2 ? row : column) + n) % 4 < 2 ? 1 : 0;
  images[i]! += 0.2 * Math.sin(i * 12.9898);
}
const set = new data.ArrayDataset({
  x: { data: images, shape: [count, 1, 8, 8] },
  y: { data: labels, shape: [count] },
});
const loader = new data.DataLoader(set, { batchSize: 16, shuffle: true });
const correct = (scores: Tensor, y: Tensor) =>
  scores.argmax({ dim: 1 }).cast("int32").equal(y).cast("float32").mean();
const trainer = new Trainer(model, {
  loss: (net, { x, y }) => {
    const scores = net.forward(x!);
    return { loss: nn.crossEntropy(scores, y!), metrics: { accuracy: correct(scores, y!) } };
  },
  optimizer: new optim.Adam({ lr: 0.1 }),
});
const { history } = await trainer.fit(loader, { epochs: 30 });
for (const { loss, metrics } of [history[0]!, history[29]!]) {
  console.log(loss.toFixed(3), metrics.accuracy);
}

// All of it at last, slowly: free the features, and go on.
features.requiresGrad(true);
console.log(model.namedParameters().map(([name]) => name));
