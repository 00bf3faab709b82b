import { Dim, data, nn, onnx, optim, type Tensor, Trainer } from "tensorlane";

class Forecaster extends nn.Module {
  readonly gru = new nn.GRU({ inputSize: 1, hiddenSize: 16, batchFirst: true });
  readonly head = new nn.Linear({ inFeatures: 16, outFeatures: 1 });

  forward(x: Tensor): Tensor {
    const { output } = this.gru.forward(x); // (N, 12, 1) -> (N, 12, 16)
    return this.head.forward(output.select(-1, 1)); // last step -> (N, 1)
  }
}

const values = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i / 5));
const windows = new data.WindowDataset({ values, columns: 1, stepsIn: 12, stepsOut: 1 });
const loader = new data.DataLoader(windows, { batchSize: 32, shuffle: true, dropLast: true });

const trainer = new Trainer(new Forecaster(), {
  loss: (model, { x, y }) => nn.mseLoss(model.forward(x!), y!.squeeze(1)),
  optimizer: new optim.AdamW({ lr: 0.01 }),
});
const { history } = await trainer.fit(loader, { epochs: 10 });
console.log("loss", history[0]!.loss, "->", history[9]!.loss);

// A standard ONNX file: any runtime reads it, at any batch size.
const shape = [new Dim("batch"), 12, 1];
const file = await onnx.exportModel(trainer.model, { inputs: { x: { shape } } });
console.log(file.length, "bytes");
