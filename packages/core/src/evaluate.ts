import { defaultEngine } from "#engine";
import type { Engine, Executable, Value } from "./engine/engine.ts";
import { fillRandom, randomStreams } from "./engine/randomLeaves.ts";
import { TensorlaneError } from "./errors.ts";
import { isStatic } from "./graph/dim.ts";
import { allocate, type DType, type TensorData } from "./graph/dtype.ts";
import { type Parameter, Tensor } from "./graph/tensor.ts";
import { encodeModel, type LoweredInput, lowerGraph } from "./onnx/lowering.ts";

/** A computed tensor. */
export interface Result extends Value {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export interface EvaluateOptions {
  /** Fixes random leaves (dropout masks and the like); the same seed draws the same numbers. */
  readonly seed?: number;
  /** The engine to run on; the platform's default otherwise. */
  readonly engine?: Engine;
}

const caches = new WeakMap<Engine, Map<string, Promise<Executable>>>();

/**
 * Computes tensors. Compiles once per structure of the graph: the same network with other data or
 * weights runs at once. Never changes a model.
 *
 * @example
 * const [y, dx] = await evaluate([loss, ...gradients(loss, [x])]);
 */
export async function evaluate(tensors: Tensor, options?: EvaluateOptions): Promise<Result>;
export async function evaluate(
  tensors: readonly Tensor[],
  options?: EvaluateOptions,
): Promise<Result[]>;
export async function evaluate(
  tensors: Tensor | readonly Tensor[],
  options: EvaluateOptions = {},
): Promise<Result | Result[]> {
  if (tensors instanceof Tensor) return (await evaluate([tensors], options))[0];
  if (tensors.length === 0) return [];
  const engine = options.engine ?? (await defaultEngine());
  const { model, inputs, outputs } = lowerGraph(tensors);
  const executable = await compileOnce(engine, encodeModel(model));
  const seed = options.seed ?? 0;
  const streams = randomStreams(inputs);
  const feeds = Object.fromEntries(
    inputs.map((input) => [input.name, valueOf(input, seed, streams.get(input.tensor))]),
  );
  const results = await executable.run(feeds);
  return outputs.map((name) => results[name]);
}

/** The value to feed for a leaf. */
function valueOf({ name, tensor, leaf }: LoweredInput, seed: number, stream?: number): Value {
  const { dtype, shape } = tensor;
  if (leaf.kind === "placeholder" || !isStatic(shape)) {
    throw new TensorlaneError(
      `evaluate: input "${name}" has no value; use tensor(data, shape) instead of a placeholder`,
    );
  }
  if (leaf.kind === "data") return { dtype, shape, data: leaf.data };
  if (leaf.kind === "parameter") return { dtype, shape, data: (tensor as Parameter).data };
  const size = shape.reduce((a, b) => a * b, 1);
  const data = allocate("float32", size);
  fillRandom(data, leaf.distribution, { seed, step: 0, stream: stream as number });
  return { dtype, shape, data };
}

async function compileOnce(engine: Engine, model: Uint8Array): Promise<Executable> {
  const digest = await crypto.subtle.digest("SHA-256", model as BufferSource);
  const key = String.fromCharCode(...new Uint8Array(digest));
  let cache = caches.get(engine);
  if (!cache) caches.set(engine, (cache = new Map()));
  const known = cache.get(key) ?? engine.compile(model, { label: "evaluate" });
  cache.set(key, known);
  return known;
}
