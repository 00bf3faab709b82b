import { create } from "@bufbuild/protobuf";
import { GraphBuilder, valueInfo } from "../../onnx/builder.ts";
import { encodeModel, OPSET, type Rewrite } from "../../onnx/lowering.ts";
import { ModelProtoSchema } from "../../onnx/onnx_pb.ts";
import type { Engine } from "../engine.ts";
import { blockedRewrite } from "./index.ts";
import { NCHWC } from "./layout.ts";

/** More than any block ONNX Runtime has. */
const CHANNELS = 64;

/**
 * The blocked layout of the machine, if it has one: where the second pixel of channel 0 goes is the size of
 * a block, as the library decides it by what the processor can do.
 */
export async function findBlockedRewrite(engine: Engine): Promise<Rewrite | undefined> {
  const builder = new GraphBuilder();
  const shape = [1, CHANNELS, 1, 2];
  builder.inputs.push(valueInfo("x", "float32", shape));
  builder.outputs.push(valueInfo("y", "float32", shape));
  builder.node("ReorderInput", ["x"], {}, ["y"], { domain: NCHWC });
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [
      { domain: "", version: BigInt(OPSET) },
      { domain: NCHWC, version: 1n },
    ],
    graph: builder.finish("layout"),
  });
  const probe = await engine.compile(encodeModel(model), { label: "layout of the machine" });
  const data = Float32Array.from({ length: 2 * CHANNELS }, (_, i) => i);
  const { y } = await probe.run({ x: { dtype: "float32", shape, data } });
  probe.release();
  const block = (y.data as Float32Array).indexOf(1);
  // One number a block is the standard layout: a processor for which the library has no other.
  return block > 1 ? blockedRewrite(block) : undefined;
}
