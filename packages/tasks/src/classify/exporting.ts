import { Dim, onnx, type Tensor, tensor } from "tensorlane";
import { logitsOf } from "./network.ts";
import type { loadRunState } from "./runState.ts";

type State = Awaited<ReturnType<typeof loadRunState>>;

/**
 * The classifier as an ONNX file: image (batch, C, size, size), red, green and blue planes of values 0 .. 1 ->
 * probabilities (batch, classes). Scaling is a part of it; names of the classes are in its metadata.
 */
export function exportClassifier(state: Omit<State, "simulated">): Promise<Uint8Array> {
  const { network, spec, classes, preprocessing } = state;
  const { size, mean, std } = preprocessing;
  const perChannel = (values: readonly number[]) =>
    tensor(Float32Array.from(values), [1, values.length, 1, 1]);
  return onnx.exportModel(network, {
    name: spec.model,
    inputs: { image: { shape: [new Dim("batch"), spec.inChannels, size, size] } },
    forward: ({ image }: Readonly<Record<string, Tensor>>) => {
      const scaled = image!.sub(perChannel(mean)).div(perChannel(std));
      return { probabilities: logitsOf(network, scaled).softmax(1) };
    },
    metadata: {
      "tensorlane.classes": JSON.stringify(classes),
      "tensorlane.preprocessing": JSON.stringify(preprocessing),
    },
  });
}
