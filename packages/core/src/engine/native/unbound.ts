import { allocate } from "../../graph/dtype.ts";
import type { Value } from "../engine.ts";
import { dtypeOfElementType, sizeOf } from "../ports.ts";
import { addressOf, memoryAt, type Pointer } from "./library.ts";
import { type Session, tensorOver, typeAndShape } from "./session.ts";

/**
 * Runs with checked feeds into memory that ONNX Runtime allocates, and copies the results out: for
 * outputs whose shape only the run can tell.
 */
export async function runUnbound(
  session: Session,
  feeds: Readonly<Record<string, Value>>,
): Promise<Record<string, Value>> {
  const { library } = session.env;
  const { label } = session;
  const encoder = new TextEncoder();
  const tensors: Pointer[] = [];
  const results = new BigUint64Array(new ArrayBuffer(8 * session.outputs.length));
  session.hold();
  try {
    for (const { name } of session.inputs)
      tensors.push(tensorOver(session.env, feeds[name], label));
    const names = [...session.inputs, ...session.outputs].map(({ name }) =>
      encoder.encode(`${name}\0`),
    );
    const addresses = names.map(addressOf);
    const inputNames = BigUint64Array.from(addresses.slice(0, tensors.length));
    const outputNames = BigUint64Array.from(addresses.slice(tensors.length));
    const inputs = BigUint64Array.from(tensors);
    await library.checkAsync(
      "run",
      label,
      [feeds, names, inputNames, outputNames, inputs, results],
      session.pointer,
      null,
      addressOf(inputNames),
      addressOf(inputs),
      inputs.length,
      addressOf(outputNames),
      results.length,
      addressOf(results),
    );
    return Object.fromEntries(
      session.outputs.map(({ name }, i) => [name, copyOut(session, results[i], name)]),
    );
  } finally {
    for (const tensor of tensors) library.release("releaseValue", tensor);
    for (const result of results) if (result) library.release("releaseValue", result);
    session.drop();
  }
}

function copyOut(session: Session, tensor: Pointer, name: string): Value {
  const { env, label } = session;
  const info = env.library.get("getTensorTypeAndShape", label, tensor);
  try {
    const { type, shape } = typeAndShape(env, info, label);
    const dtype = dtypeOfElementType(type, name, label);
    const data = allocate(dtype, sizeOf(shape));
    if (data.byteLength > 0) {
      const source = env.library.get("getTensorMutableData", label, tensor);
      new Uint8Array(data.buffer).set(memoryAt(source, data.byteLength));
    }
    return { dtype, shape, data };
  } finally {
    env.library.release("releaseTensorTypeAndShapeInfo", info);
  }
}
