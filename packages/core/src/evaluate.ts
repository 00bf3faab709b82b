import { defaultEngine } from "#engine";
import { ExecutableCache } from "./engine/cache.ts";
import type { Engine, Value } from "./engine/engine.ts";
import { TensorlaneError } from "./errors.ts";
import { isStatic } from "./graph/dim.ts";
import { allocate, type DType, type TensorData } from "./graph/dtype.ts";
import { type Parameter, Tensor } from "./graph/tensor.ts";
import { encodeModel, type LoweredInput, lowerGraph } from "./onnx/lowering.ts";
import { randomStreams } from "./onnx/randomStreams.ts";
import { fillRandom } from "./random/fill.ts";

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

/** Native memory that compiled graphs may hold between calls. */
const CACHE_BYTES = 2 ** 30;
const caches = new WeakMap<Engine, ExecutableCache>();

/**
 * Computes tensors. Compiles once per structure of the graph: the same network with other data or
 * weights runs at once. Never changes a model.
 *
 * @example
 * const [y, dx] = await evaluate([loss, ...gradients(loss, [x])]);
 */
export async function evaluate(tensors: Tensor, options?: EvaluateOptions): Promise<Result>;
export async function evaluate<const T extends readonly Tensor[]>(
  tensors: T,
  options?: EvaluateOptions,
): Promise<{ -readonly [K in keyof T]: Result }>;
export async function evaluate(
  tensors: Tensor | readonly Tensor[],
  options: EvaluateOptions = {},
): Promise<Result | Result[]> {
  if (tensors instanceof Tensor) return (await evaluate([tensors], options))[0];
  if (tensors.length === 0) return [];
  const engine = options.engine ?? (await defaultEngine());
  const rewrite = await engine.rewrite?.();
  const { model, inputs, outputs } = lowerGraph(tensors, { rewrite });
  const bytes = encodeModel(model);
  const seed = options.seed ?? 0;
  const streams = randomStreams(inputs);
  const feeds = Object.fromEntries(
    inputs.map((input) => [input.name, valueFor(input, seed, streams.get(input.tensor))]),
  );
  const results = await cacheOf(engine).use(
    await digest(bytes),
    () => engine.compile(bytes, { label: "evaluate" }),
    (executable) => executable.run(feeds),
  );
  return outputs.map((name) => results[name]);
}

/** The value to feed for a leaf. */
function valueFor({ name, tensor, leaf }: LoweredInput, seed: number, stream?: number): Value {
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

function cacheOf(engine: Engine): ExecutableCache {
  const cache = caches.get(engine) ?? new ExecutableCache(CACHE_BYTES);
  caches.set(engine, cache);
  return cache;
}

/** Equal graphs have equal bytes: weights and data are inputs, not part of them. */
async function digest(model: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", model as Uint8Array<ArrayBuffer>);
  return String.fromCharCode(...new Uint8Array(hash));
}
