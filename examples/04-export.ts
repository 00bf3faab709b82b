// Writes a model as a standard ONNX file and runs it with plain ONNX Runtime, at any batch size.
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { Dim, evaluate, nn, onnx, tensor } from "tensorlane";

nn.manualSeed(0);
const model = new nn.GRU({ inputSize: 3, hiddenSize: 4, batchFirst: true });
const batch = new Dim("batch"); // a size that is known only when the file runs
const bytes = await onnx.exportModel(model, { inputs: { x: { shape: [batch, 12, 3] } } });
const path = join(tmpdir(), `gru-${process.pid}.onnx`);
await writeFile(path, bytes);

const session = await InferenceSession.create(path);
console.log(session.inputNames, session.outputNames);
for (const n of [1, 5]) {
  const floats = Float32Array.from({ length: n * 12 * 3 }, (_, i) => Math.sin(i));
  const theirs = await session.run({ x: new OrtTensor("float32", floats, [n, 12, 3]) });
  const ours = await evaluate(model.forward(tensor(floats, [n, 12, 3])).output);
  let gap = 0;
  for (const [i, value] of ours.data.entries()) {
    gap = Math.max(gap, Math.abs(Number(value) - Number(theirs.output!.data[i])));
  }
  console.log(`[${theirs.output!.dims}]`, gap < 1e-5 ? "same numbers" : `differs by ${gap}`);
}
