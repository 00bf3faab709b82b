// Many to many, of other lengths: consonants in, the whole word out. The encoder reads all before the decoder writes.
import { data, evaluate, nn, optim, type Tensor, Trainer, tensor } from "tensorlane";
import { text } from "./shared/data.ts";

const words = ((await text()).toLowerCase().match(/\b[a-z]{3,9}\b/g) ?? []).slice(0, 24_000);
const consonants = (word: string) => word.replace(/[aeiou]/g, "");
// 0 begins, ends and fills, 1 to 26 are letters.
const [read, written] = [10, 10];
const idsOf = (word: string, length: number) =>
  Array.from({ length }, (_, t) => (t < word.length ? word.charCodeAt(t) - 96 : 0));

function part(chosen: readonly string[]) {
  const ints = (rows: readonly number[][]) => ({
    data: Int32Array.from(rows.flat()),
    shape: [rows.length, rows[0]!.length],
  });
  return new data.ArrayDataset({
    source: ints(chosen.map((word) => idsOf(consonants(word), read))),
    length: { data: Int32Array.from(chosen, (word) => Math.max(1, consonants(word).length)) },
    given: ints(chosen.map((word) => [0, ...idsOf(word, written - 1)])),
    target: ints(chosen.map((word) => idsOf(word, written))),
  });
}

const cut = words.length - 1000;
const [learnt, tested] = [words.slice(0, cut), words.slice(cut)];
nn.manualSeed(1);
const model = new nn.EncoderDecoder({
  ...{ sourceTokens: 27, targetTokens: 27, embeddingDim: 24, hiddenSize: 64 },
  attention: "general",
});
const trainer = new Trainer(model, {
  loss: (net, { source, length, given, target }) => {
    const { logits } = net.forward(source!, length!, { tokens: given! }); // (T, N, 27)
    return nn.crossEntropy(logits.permute([1, 2, 0]), target!);
  },
  optimizer: new optim.AdamW({ lr: 6e-3 }),
});
const loader = new data.DataLoader(part(learnt), {
  batchSize: 96,
  shuffle: true,
  dropLast: true,
  seed: 1,
});
await trainer.fit(loader, { epochs: 1 });

const asTensor = ({ data: values, shape }: data.Batch[string]): Tensor =>
  tensor(values, shape, "int32");
const { source, length } = part(tested).get(Array.from(tested.keys()));
const start = tensor(new Int32Array(tested.length), [tested.length], "int32");
model.eval();
const { tokens } = model.write(asTensor(source!), asTensor(length!), start, written);
const { data: ids } = await evaluate(tokens);
const guesses = tested.map((_, i) => {
  const letters = Array.from(ids.subarray(i * written, (i + 1) * written), Number);
  const end = letters.indexOf(0);
  return letters
    .slice(0, end < 0 ? written : end)
    .map((id) => String.fromCharCode(96 + id))
    .join("");
});
const share = (right: (word: string, i: number) => boolean) =>
  `${((100 * tested.filter(right).length) / tested.length).toFixed(1)} %`;
console.log(`words written rightly: ${share((word, i) => word === guesses[i])}`);
console.log(`right as they are read: ${share((word) => word === consonants(word))}`);
for (let i = 0; i < 8; i++)
  console.log(`${consonants(tested[i]!)} -> ${guesses[i]} (${tested[i]})`);
