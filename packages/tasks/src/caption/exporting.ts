import { Dim, onnx, type Tensor, tensor } from "tensorlane";
import { FEATURES, GRID } from "./network.ts";
import type { RunState } from "./runState.ts";

/** A captioner as two ONNX files. */
export interface Exported {
  /**
   * image (batch, 3, size, size), red, green and blue planes of values 0 .. 1 of the picture squeezed into a square
   * -> grid (batch, 64, 64) and the states h and c (batch, hidden) before the first word.
   */
  readonly encoder: Uint8Array;
  /**
   * token (batch) int32, grid, h, c -> logits (batch, words) of the next token, state.h and state.c after it, and
   * weights (batch, 64) where the model attends. Captions begin with the token `start` and stop at `end`.
   */
  readonly decoder: Uint8Array;
}

/** The metadata of both files hold the words by token, the tokens of start and end, and the scaling. */
export async function exportCaptioner(state: RunState): Promise<Exported> {
  const { network, words, preprocessing, maxLength } = state;
  const { size, mean, std } = preprocessing;
  const batch = new Dim("batch");
  const { start, end, banned } = words;
  const metadata = {
    "tensorlane.vocabulary": JSON.stringify(words.vocabulary.tokens),
    "tensorlane.captions": JSON.stringify({ start, end, maxLength }),
    "tensorlane.preprocessing": JSON.stringify(preprocessing),
  };
  const perChannel = (values: readonly number[]) =>
    tensor(Float32Array.from(values), [1, values.length, 1, 1]);
  const states = {
    h: { shape: [batch, network.spec.hidden] },
    c: { shape: [batch, network.spec.hidden] },
  };
  const encoder = await onnx.exportModel(network, {
    name: `${network.spec.model}_encoder`,
    inputs: { image: { shape: [batch, 3, size, size] } },
    forward: ({ image }: Readonly<Record<string, Tensor>>) =>
      network.look(image.sub(perChannel(mean)).div(perChannel(std))),
    metadata,
  });
  const decoder = await onnx.exportModel(network, {
    name: `${network.spec.model}_decoder`,
    inputs: {
      token: { shape: [batch], dtype: "int32" },
      // A decoder that never looks again has no such input.
      ...(network.spec.model === "show-attend" && {
        grid: { shape: [batch, GRID * GRID, FEATURES] },
      }),
      ...states,
    },
    forward: ({ token, grid, h, c }: Readonly<Record<string, Tensor>>) =>
      network.next(token, { grid, h, c }, banned),
    metadata,
  });
  return { encoder, decoder };
}
