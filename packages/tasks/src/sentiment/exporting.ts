import { Dim, onnx, ops, type Tensor } from "tensorlane";
import { isTreeModel, type SentimentNetwork } from "./networks.ts";
import { CLASSES } from "./treebank.ts";
import type { Vocabulary } from "./vocabulary.ts";

/**
 * The network as an ONNX file. Tree networks: tokens (words), and the order of `data.TreePacks`: leaf and slot
 * (steps, 2, width), keep (steps, slots) -> probabilities (words + steps · width, 5), words first. Others: tokens
 * (batch, time), length (batch) -> probabilities (batch, 5). The metadata hold the words, from number 1 on.
 */
export function exportNetwork(
  network: SentimentNetwork,
  vocabulary: Vocabulary,
): Promise<Uint8Array> {
  const [steps, width] = [new Dim("steps"), new Dim("width")];
  const batch = new Dim("batch");
  const int = (...shape: (number | Dim)[]) => ({ shape, dtype: "int32" as const });
  return onnx.exportModel(network, {
    name: "sentiment",
    inputs: isTreeModel(network.spec.model)
      ? {
          tokens: int(new Dim("words")),
          leaf: int(steps, 2, width),
          slot: int(steps, 2, width),
          keep: int(steps, new Dim("slots")),
        }
      : { tokens: int(batch, new Dim("time")), length: int(batch) },
    forward: (fields: Readonly<Record<string, Tensor>>) => ({
      probabilities: ops.softmax(network.forward(fields), -1),
    }),
    metadata: {
      "tensorlane.classes": JSON.stringify(CLASSES),
      "tensorlane.vocabulary": JSON.stringify(vocabulary.words),
    },
  });
}
