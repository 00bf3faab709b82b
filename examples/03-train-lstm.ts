// Trains an LSTM to foretell a series: two tides of different length.
import { data, inspect, nn, optim, type Tensor, Trainer } from "tensorlane";

class Forecaster extends nn.Module {
  readonly lstm = new nn.LSTM({ inputSize: 1, hiddenSize: 16, batchFirst: true });
  readonly head = new nn.Linear({ inFeatures: 16, outFeatures: 1 });

  /** (N, T, 1) -> (N, 1, 1) */
  forward(x: Tensor): Tensor {
    const { output } = this.lstm.forward(x);
    return this.head.forward(output.slice([null, [-1, null]]));
  }
}

const values = Float32Array.from(
  { length: 600 },
  (_, hour) => Math.sin(hour / 4) + 0.5 * Math.sin(hour / 11),
);
const windows = { columns: 1, stepsIn: 12, stepsOut: 1 };
const train = new data.WindowDataset({ values: values.subarray(0, 480), ...windows });
const test = new data.WindowDataset({ values: values.subarray(480), ...windows });

nn.manualSeed(0);
const model = new Forecaster();
console.log(inspect.summaryText(inspect.summary(model, [12, 1])));

const trainer = new Trainer(model, {
  // The last batch is filled up with rows of weight 0, so that all batches have one size.
  loss: (model, { x, y, weight }) => nn.mseLoss(model.forward(x!), y!, { sampleWeight: weight! }),
  optimizer: new optim.AdamW({ lr: 0.01 }),
  callbacks: [
    {
      onEpoch: ({ epoch, loss, validation }) => {
        if (epoch % 10 === 9) {
          console.log(`epoch ${epoch + 1}`, loss.toFixed(4), validation!.loss!.toFixed(4));
        }
      },
    },
  ],
});
const { steps } = await trainer.fit(
  new data.DataLoader(train, { batchSize: 32, shuffle: true, seed: 0 }),
  { epochs: 30, validation: new data.DataLoader(test, { batchSize: 32 }) },
);
console.log(`${steps} updates`);
