// One to many: a language in, the letters of a surname out, one after the other.
import { data, evaluate, nn, ops, optim, type Tensor, Trainer, tensor } from "tensorlane";
import { surnames } from "./shared/data.ts";

const { languages, names } = await surnames();
// 0 begins and ends a name, 1 to 26 are letters. Names are filled up to 15 places with -1, which is ignored.
const [letters, places] = [27, 15];
const idsOf = (name: string) => Array.from(name, (letter) => letter.charCodeAt(0) - 96);

/** What a step reads is the letter that the step before should have written. */
function part(chosen: typeof names) {
  const ids = chosen.map(([name]) => [0, ...idsOf(name), 0]);
  const fill = (from: number, other: number) =>
    Int32Array.from(
      ids.flatMap((name) => Array.from({ length: places }, (_, t) => name[t + from] ?? other)),
    );
  const shape = [chosen.length, places];
  return new data.ArrayDataset({
    language: { data: Int32Array.from(chosen, ([, language]) => language) },
    read: { data: fill(0, 0), shape },
    written: { data: fill(1, -1), shape },
  });
}

class Namer extends nn.Module {
  readonly language = new nn.Embedding({ numEmbeddings: languages.length, embeddingDim: 16 });
  readonly letter = new nn.Embedding({ numEmbeddings: letters, embeddingDim: 16 });
  readonly lstm = new nn.LSTM({ inputSize: 32, hiddenSize: 96, batchFirst: true });
  readonly head = new nn.Linear({ inFeatures: 96, outFeatures: letters });

  /** Languages (N) and letters (N, T) -> scores of the next letter (N, T, 27) */
  forward(language: Tensor, read: Tensor): Tensor {
    const told = this.language.forward(language).unsqueeze(1).expand([read.shape[0]!, places, 16]);
    const { output } = this.lstm.forward(ops.concat([told, this.letter.forward(read)], -1));
    return this.head.forward(output);
  }
}

nn.manualSeed(1);
const trainer = new Trainer(new Namer(), {
  loss: (net, { language, read, written }) =>
    nn.crossEntropy(net.forward(language!, read!).transpose(1, 2), written!, { ignoreIndex: -1 }),
  optimizer: new optim.AdamW({ lr: 4e-3 }),
});
const batches = { batchSize: 64, dropLast: true };
const cut = Math.floor(0.9 * names.length);
const train = new data.DataLoader(part(names.slice(0, cut)), {
  ...batches,
  shuffle: true,
  seed: 1,
});
await trainer.fit(train, { epochs: 8 });

// Beside it: every letter as likely as it is among the letters learnt from, whatever the language.
const ends = (name: string) => [...idsOf(name), 0];
const counts = new Array<number>(letters).fill(0);
for (const [name] of names.slice(0, cut)) for (const id of ends(name)) counts[id]!++;
const all = counts.reduce((a, b) => a + b);
const tested = names.slice(cut).flatMap(([name]) => ends(name));
const plain = tested.reduce((sum, id) => sum - Math.log((counts[id]! + 1) / (all + letters)), 0);
const { loss } = await trainer.evaluate(new data.DataLoader(part(names.slice(cut)), batches));
console.log(
  `nats a letter: ${loss!.toFixed(2)}, by frequency alone ${(plain / tested.length).toFixed(2)}`,
);

// Write one name for each language: draw a letter, read it, draw the next.
const model = trainer.model.eval();
const random = data.randomStream(4);
const n = languages.length;
const written = new Int32Array(n * places);
for (let t = 0; t + 1 < places; t++) {
  const told = tensor(Int32Array.from(languages.keys()), [n], "int32");
  const scores = model.forward(told, tensor(written.slice(), [n, places], "int32"));
  const { data: chances } = await evaluate(ops.softmax(scores, -1));
  for (let i = 0; i < n; i++) {
    const at = i * places + t;
    if (t > 0 && written[at] === 0) continue; // it has ended
    const drawn = random.uniform();
    let id = 0;
    let below = Number(chances[at * letters]);
    while (below < drawn && id < letters - 1) below += Number(chances[at * letters + ++id]);
    written[at + 1] = id;
  }
}
for (const [i, language] of languages.entries()) {
  const name = Array.from(written.subarray(i * places, (i + 1) * places), (id) =>
    id > 0 ? String.fromCharCode(96 + id) : "",
  ).join("");
  console.log(`${language}: ${name}`);
}
