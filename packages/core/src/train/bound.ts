import { fillRandomAsync, sharedFloats } from "#engine";
import type { Batch } from "../data/dataset.ts";
import type { Binding, CompileOptions, Engine, Executable, Value } from "../engine/engine.ts";
import { TensorlaneError } from "../errors.ts";
import { isStatic, staticSize } from "../graph/dim.ts";
import { allocate, type TensorData } from "../graph/dtype.ts";
import { missing } from "../graph/inputs.ts";
import type { Distribution, Parameter, Tensor } from "../graph/tensor.ts";
import { encodeModel, type LoweredGraph, lowerGraph } from "../onnx/lowering.ts";
import { randomStreams } from "../onnx/randomStreams.ts";

/** What a run draws its random numbers by. */
export interface DrawKey {
  readonly seed: number;
  readonly step: number;
}

interface RandomInput {
  readonly target: Float32Array;
  /** Where its numbers begin in those of the leaf. */
  readonly offset: number;
  /** Filled for the next step while this one runs. */
  readonly ahead: Float32Array;
  readonly distribution: Distribution;
  readonly stream: number;
}

/** A parameter that the graph reads, and where. */
interface ReadParameter {
  readonly tensor: Parameter;
  readonly data: TensorData;
}

type Form = Pick<Value, "dtype" | "shape">;

/** A field of a batch that is not what the graph reads. */
export const misfit = (name: string, wanted: Form, given: Form): TensorlaneError =>
  new TensorlaneError(
    `the batch's field "${name}" must be ${wanted.dtype}[${wanted.shape}], received ${given.dtype}[${given.shape}]`,
  );

/** Fresh memory for a tensor of known shape. */
export function memoryFor({ dtype, shape }: Pick<Tensor, "dtype" | "shape">): Value {
  if (!isStatic(shape)) throw new Error(`no memory for a symbolic shape: ${shape}`);
  return { dtype, shape, data: allocate(dtype, staticSize(shape)) };
}

export interface Memory {
  /** Memory for placeholders; made where none is given. Parameters are read where their data lie. */
  readonly inputs?: ReadonlyMap<Tensor, Value>;
  /** Memory for outputs; made where none is given. */
  readonly outputs?: ReadonlyMap<Tensor, Value>;
}

/**
 * What ONNX Runtime need not look for: arithmetic of shapes, which are numbers here, and what transformers, quantised and
 * half-precision networks for inference are made of. That is half of its time for ResNet-50's step (980 -> 480 ms).
 */
const pointless = [
  "ReshapeFusion",
  ...["GeluFusionL1", "GeluFusionL2", "BiasGeluFusion", "FastGeluFusion", "QuickGeluFusion"],
  ...["LayerNormFusionL1", "LayerNormFusion", "SimplifiedLayerNormFusion", "SkipLayerNormFusion"],
  ...[
    "AttentionFusion",
    "EmbedLayerNormFusion",
    "GroupQueryAttentionFusion",
    "MegatronTransformer",
  ],
  ...["BiasSoftmaxFusion", "BiasDropoutFusion", "IsInfReduceSumFusion", "Conv1dReplacement"],
  ...["GatherToSplitFusion", "GatherToSliceFusion", "GatherSliceToSplitFusion", "NhwcTransformer"],
  ...["MatMulNBitsFusion", "DQMatMulToMatMulNBits", "DynamicQuantizeMatMulFusion"],
  ...["MatMulIntegerToFloatFusion", "DoubleQDQPairsRemover", "QDQPropagationTransformer"],
  ...["QDQSelectorActionTransformer", "QDQFinalCleanupTransformer", "WeightBiasQuantization"],
  ...["EnsureUniqueDQForNodeUnit", "PropagateCastOps"],
];
/** What is computed from constants alone is little where weights are none, and takes long to look for among many nodes. */
const folding = "ConstantFolding";
/**
 * What ONNX Runtime would look for in vain among many nodes, where convolutions are laid out and fused already: equal nodes are one
 * by then, too. For ResNet-50's step (660 -> 500 ms), at the same speed.
 */
const done = [
  ...["CommonSubexpressionElimination", "ConstantSharing", "TransposeOptimizer"],
  ...["Level1_RuleBasedTransformer", "Level2_RuleBasedTransformer", "NchwcTransformer"],
  ...["ConvActivationFusion", "ConvAddActivationFusion", "GemmActivationFusion"],
  ...["MatMulAddFusion", "MatMulScaleFusion", "MatMulActivationFusion"],
];
const MANY_NODES = 2000;
const without = (names: readonly string[]) => ({
  "optimization.disable_specified_optimizers": names.join(";"),
});

/** A constant of its own from a parameter, whose values may change. */
const copied = ([name, tensor]: readonly [string, Tensor]): [string, Value] => {
  const { dtype, shape, data } = tensor as Parameter;
  return [name, { dtype, shape, data: data.slice() }];
};

interface GraphOptions extends Pick<CompileOptions, "singleThreaded"> {
  /** Parameters that become constants. */
  readonly fixed?: ReadonlySet<Tensor>;
}

/** A graph that an engine can run, on any memory of the right shapes. */
export class CompiledGraph {
  private readonly outputs: readonly Tensor[];
  private readonly lowered: LoweredGraph;
  private readonly executable: Executable;

  private constructor(outputs: readonly Tensor[], lowered: LoweredGraph, executable: Executable) {
    this.outputs = outputs;
    this.lowered = lowered;
    this.executable = executable;
  }

  static async create(
    engine: Engine,
    outputs: readonly Tensor[],
    label: string,
    { fixed, singleThreaded }: GraphOptions = {},
  ): Promise<CompiledGraph> {
    const rewrite = await engine.rewrite?.();
    const lowered = lowerGraph(outputs, { name: label.replace(/\W+/g, "_"), rewrite, fixed });
    const isLarge = lowered.model.graph!.node.length > MANY_NODES;
    const isLaidOut = lowered.model.opsetImport.some(({ domain }) => domain !== "");
    const skipped = isLarge && !fixed ? [folding, ...(isLaidOut ? done : [])] : [];
    const executable = await engine.compile(encodeModel(lowered.model), {
      label,
      singleThreaded,
      sessionConfig: without([...pointless, ...skipped]),
      initializers: Object.fromEntries([...lowered.fixed].map(copied)),
    });
    return new CompiledGraph(outputs, lowered, executable);
  }

  /**
   * Ties the graph to memory. Of several `replica`s on shares of a batch each draws random numbers of its own: together those
   * of the whole batch, where that is a leaf's first axis.
   */
  bind(given: Memory = {}, replica = 0): BoundGraph {
    const streams = randomStreams(this.lowered.inputs);
    const memory = new Map<Tensor, Value>();
    const randoms: RandomInput[] = [];
    const read: ReadParameter[] = [];
    const inputs: Record<string, Value> = {};
    const outputs: Record<string, Value> = {};
    for (const { name, tensor, leaf } of this.lowered.inputs) {
      let value = given.inputs?.get(tensor);
      const { dtype } = tensor;
      const shape = tensor.shape as readonly number[];
      if (leaf.kind === "parameter") {
        const { data } = tensor as Parameter;
        value = { dtype, shape, data };
        read.push({ tensor: tensor as Parameter, data });
      }
      if (leaf.kind === "data") value = { dtype, shape, data: leaf.data };
      value ??= memoryFor(tensor);
      if (leaf.kind === "random") {
        const target = value.data as Float32Array;
        const ahead = sharedFloats(target.length);
        const stream = streams.get(tensor) as number;
        const offset = replica * target.length;
        randoms.push({ target, offset, ahead, distribution: leaf.distribution, stream });
      }
      memory.set(tensor, value);
      inputs[name] = value;
    }
    for (const [i, tensor] of this.outputs.entries()) {
      const value = given.outputs?.get(tensor) ?? memoryFor(tensor);
      if (!memory.has(tensor)) memory.set(tensor, value);
      outputs[this.lowered.outputs[i]] = value;
    }
    return new BoundGraph(this.executable.bind({ inputs, outputs }), memory, randoms, read);
  }

  release(): void {
    this.executable.release();
  }
}

/**
 * A graph tied to memory: placeholders and outputs are arrays to write and read between runs, parameters
 * are read where their data lie, random leaves are drawn for every (seed, step).
 */
export class BoundGraph {
  private readonly binding: Binding;
  private readonly memory: ReadonlyMap<Tensor, Value>;
  private readonly randoms: readonly RandomInput[];
  private readonly read: readonly ReadParameter[];
  private drawn: { readonly key: string; readonly ready: Promise<void> } | undefined;

  constructor(
    binding: Binding,
    memory: ReadonlyMap<Tensor, Value>,
    randoms: readonly RandomInput[],
    read: readonly ReadParameter[],
  ) {
    this.binding = binding;
    this.memory = memory;
    this.randoms = randoms;
    this.read = read;
  }

  /** Compiles a graph and ties it to memory. */
  static async create(
    engine: Engine,
    outputs: readonly Tensor[],
    label: string,
    memory?: Memory,
  ): Promise<BoundGraph> {
    return (await CompiledGraph.create(engine, outputs, label)).bind(memory);
  }

  /** The memory of a placeholder or an output. */
  valueOf(tensor: Tensor): Value {
    const value = this.memory.get(tensor);
    if (!value) throw new Error(`${tensor} is neither an input nor an output of this graph`);
    return value;
  }

  /** Copies the fields of a batch, or of its first samples, into the memory of the placeholders that the graph reads. */
  load(placeholders: Readonly<Record<string, Tensor>>, batch: Batch): void {
    for (const [name, tensor] of Object.entries(placeholders)) {
      const input = this.memory.get(tensor);
      if (!input) continue;
      const given = batch[name];
      if (!given) throw missing("the batch", name, Object.keys(batch));
      if (given.dtype !== input.dtype || given.data.length > input.data.length) {
        throw misfit(name, input, given);
      }
      (input.data as Float32Array).set(given.data as Float32Array);
    }
  }

  /** The first number of an output. */
  scalar(tensor: Tensor): number {
    return Number(this.valueOf(tensor).data[0]);
  }

  async run(key: DrawKey = { seed: 0, step: 0 }): Promise<void> {
    if (this.randoms.length === 0) return this.binding.run();
    const { seed, step } = key;
    const name = (at: number) => `${seed}/${at}`;
    if (this.drawn?.key !== name(step)) {
      await this.drawn?.ready;
      this.drawn = { key: name(step), ready: this.draw(seed, step) };
    }
    await this.drawn.ready;
    for (const { target, ahead } of this.randoms) target.set(ahead);
    this.drawn = { key: name(step + 1), ready: this.draw(seed, step + 1) };
    // Observed by the next run; until then a failure must not end the process.
    this.drawn.ready.catch(() => {});
    return this.binding.run();
  }

  private draw(seed: number, step: number): Promise<void> {
    return fillRandomAsync(
      this.randoms.map(({ ahead, offset, distribution, stream }) => ({
        target: ahead,
        offset,
        distribution,
        key: { seed, step, stream },
      })),
    );
  }

  /** Whether a parameter's data have moved since this graph was bound. */
  get isStale(): boolean {
    return this.read.some(({ tensor, data }) => tensor.data !== data);
  }

  release(): void {
    this.binding.release();
  }
}
