import { Dim, type nn, onnx } from "tensorlane";
import type { Translator } from "./translator.ts";

/** The two files of a translator. */
export interface Exported {
  readonly encoder: Uint8Array;
  readonly decoder: Uint8Array;
}

/**
 * The network as two ONNX files. Encoder: `source` (batch, time) and `length` (batch), int32 -> `h` (batch, hidden)
 * and with attention `values`, `keys` and `valid` (batch, time, ...). Decoder, one step: `token` (batch) int32 and
 * what the encoder gave -> `logits` (batch, tokens), `state.h`, which is the next step's `h`, and the `weights`
 * (batch, time). Their metadata hold the tokens by id, and those that begin and end a text.
 */
export async function exportTranslator(network: Translator): Promise<Exported> {
  const { tokens, spec, attention } = network.eval();
  const [batch, time] = [new Dim("batch"), new Dim("time")];
  const metadata = {
    "tensorlane.source": JSON.stringify(tokens.source.tokens),
    "tensorlane.target": JSON.stringify(tokens.target.tokens),
    "tensorlane.start": String(tokens.start),
    "tensorlane.end": String(tokens.end),
  };
  const encoder = await onnx.exportModel(network, {
    name: "encoder",
    inputs: {
      source: { shape: [batch, time], dtype: "int32" },
      length: { shape: [batch], dtype: "int32" },
    },
    forward: ({ source, length }) => {
      const { h, memory } = network.encode(source, length);
      return { h, ...memory };
    },
    metadata,
  });
  const float = (...shape: (number | Dim)[]) => ({ shape, dtype: "float32" as const });
  const decoder = await onnx.exportModel(network, {
    name: "decoder",
    inputs: {
      token: { shape: [batch], dtype: "int32" },
      h: float(batch, spec.hidden),
      ...(attention && {
        values: float(batch, time, 2 * spec.hidden),
        keys: float(batch, time, spec.hidden),
        valid: { shape: [batch, time], dtype: "bool" as const },
      }),
    },
    forward: ({ token, h, ...memory }) => {
      const given = attention ? { memory: memory as unknown as nn.Memory } : {};
      const { logits, h: after, weights } = network.step(token, { h, ...given });
      return { logits, "state.h": after, ...(weights && { weights }) };
    },
    metadata,
  });
  return { encoder, decoder };
}
