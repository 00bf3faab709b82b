// Many to one: the letters of a surname in, one after the other, its language out at the end.
import { data, nn, optim, type Tensor, Trainer } from "tensorlane";
import { surnames } from "./shared/data.ts";

const { languages, names } = await surnames();
const places = 14;

/** Letters are 1 to 26; what is behind the end of a name is not read. */
function part(chosen: typeof names) {
  const letters = chosen.flatMap(([name]) =>
    Array.from({ length: places }, (_, t) => (t < name.length ? name.charCodeAt(t) - 96 : 0)),
  );
  return new data.ArrayDataset({
    letters: { data: Int32Array.from(letters), shape: [chosen.length, places] },
    length: { data: Int32Array.from(chosen, ([name]) => name.length) },
    language: { data: Int32Array.from(chosen, ([, language]) => language) },
  });
}

class Reader extends nn.Module {
  readonly letter = new nn.Embedding({ numEmbeddings: 27, embeddingDim: 16 });
  readonly lstm = new nn.LSTM({ inputSize: 16, hiddenSize: 64, batchFirst: true });
  readonly head = new nn.Linear({ inFeatures: 64, outFeatures: languages.length });

  /** Letters (N, T) and their number (N) -> scores of the languages (N, 6) */
  forward(letters: Tensor, lengths: Tensor): Tensor {
    const { state } = this.lstm.forward(this.letter.forward(letters), { lengths });
    return this.head.forward(state.h.squeeze(0)); // the state after the last letter
  }
}

nn.manualSeed(1);
const trainer = new Trainer(new Reader(), {
  loss: (net, { letters, length, language }) => {
    const scores = net.forward(letters!, length!);
    const right = scores.argmax({ dim: 1 }).cast("int32").equal(language!).cast("float32").mean();
    return { loss: nn.crossEntropy(scores, language!), metrics: { right } };
  },
  optimizer: new optim.AdamW({ lr: 5e-3 }),
});
const batches = { batchSize: 64, dropLast: true };
const cut = Math.floor(0.9 * names.length);
const train = new data.DataLoader(part(names.slice(0, cut)), {
  ...batches,
  shuffle: true,
  seed: 1,
});
await trainer.fit(train, { epochs: 8 });

const { right } = await trainer.evaluate(new data.DataLoader(part(names.slice(cut)), batches));
const counts = languages.map((_, i) => names.filter(([, language]) => language === i).length);
const most = Math.max(...counts) / names.length;
console.log(
  `languages told rightly: ${(100 * right!).toFixed(1)} %; the most frequent is ${(100 * most).toFixed(1)} %`,
);
