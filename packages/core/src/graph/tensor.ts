import { TensorlaneError } from "../errors.ts";
import type { Lowering } from "../onnx/lowering.ts";
import { format, type Shape, type Size, sizeOf, staticSize } from "./dim.ts";
import { allocate, type DataOf, type DType, dtypeOf, type TensorData } from "./dtype.ts";
import { currentPath } from "./scope.ts";

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** What a gradient rule sees: the node's inputs and outputs, and the gradient of each output. */
export interface GradientArgs<Attrs> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Gradient of the loss for each output; `undefined` where none arrives. */
  readonly grads: readonly (Tensor | undefined)[];
  readonly attrs: Attrs;
  /** Gradient of the first output, for the many operators that have one. */
  readonly grad: Tensor;
  /** Which inputs lie on the way to something a gradient was asked for. */
  readonly needs: readonly boolean[];
}

/**
 * Everything there is to know about an operator, in one place. All three rules are required, so that an
 * operator without one does not compile.
 */
export interface Op<Attrs extends object = object> {
  readonly name: string;
  /** Types of the outputs from types of the inputs; throws where they do not fit. */
  infer(inputs: readonly TensorType[], attrs: Attrs): readonly TensorType[];
  /**
   * Gradient for each input, written with the public operators (so that gradients can be differentiated
   * again). A gradient may have the broadcast shape: the walker sums it down to the input's.
   */
  gradient(args: GradientArgs<Attrs>): readonly (Tensor | null | undefined)[];
  /** Emits standard ONNX nodes; returns the names of the outputs. */
  lower(onnx: Lowering, inputs: readonly string[], attrs: Attrs, node: Node): readonly string[];
}

/** For operators through which no gradient flows: comparisons, rounding, indices. */
export const noGradient = (): readonly null[] => [];

let created = 0;

/** One application of an operator. Immutable; tensors are its outputs. */
export class Node {
  /** Creation order: inputs always have smaller ids. */
  readonly id = created++;
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly attrs: object;
  readonly outputs: readonly Tensor[];
  /** Path of the module whose forward made it, e.g. `encoder.lstm`. */
  readonly path: string;

  constructor(op: Op, inputs: readonly Tensor[], attrs: object, leaf?: Tensor) {
    this.op = op;
    this.inputs = inputs;
    this.attrs = attrs;
    this.path = currentPath();
    if (leaf) {
      this.outputs = [leaf];
      return;
    }
    this.outputs = op.infer(inputs, attrs).map((type, i) => new Tensor(type, this, i));
  }
}

/**
 * An immutable value of the lazy graph: shapes are checked when it is made, nothing runs until
 * `evaluate`, a Trainer or an exporter asks for it.
 */
export class Tensor implements TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly node: Node;
  readonly index: number;

  constructor(type: TensorType, node: Node | ((tensor: Tensor) => Node), index = 0) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.index = index;
    this.node = typeof node === "function" ? node(this) : node;
  }

  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): Size {
    return sizeOf(this.shape);
  }

  toString(): string {
    const where = this.node.path ? ` in ${this.node.path}` : "";
    return `Tensor(${this.node.op.name}, ${this.dtype}${format(this.shape)}${where})`;
  }
}

/** Applies an operator; returns its outputs. */
export function apply<Attrs extends object>(
  op: Op<Attrs>,
  inputs: readonly Tensor[],
  attrs: Attrs,
): readonly Tensor[] {
  return new Node(op as unknown as Op, inputs, attrs).outputs;
}

/** What a leaf of the graph is: where its value comes from when the graph runs. */
export type Leaf =
  /** Data handed in by the user; fed at every run, so equal structures share one compiled graph. */
  | { readonly kind: "data"; readonly data: TensorData }
  /** A named place for a value: the input of an exported model, or of a scan's body. */
  | { readonly kind: "placeholder"; readonly name: string }
  /** Trainable state; the data may change between runs. */
  | { readonly kind: "parameter" }
  /** Drawn anew for every (seed, step) by a counter-based generator. */
  | { readonly kind: "random"; readonly distribution: Distribution };

export type Distribution =
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  | { readonly kind: "normal"; readonly mean: number; readonly std: number }
  /** 1 with probability p, otherwise 0. */
  | { readonly kind: "bernoulli"; readonly p: number };

export const leafOp: Op<Leaf> = {
  name: "leaf",
  infer: () => {
    throw new Error("leaves carry their own type");
  },
  gradient: noGradient,
  lower: (onnx, _inputs, _attrs, node) => [onnx.input(node.outputs[0])],
};

const leafNode = (attrs: Leaf) => (tensor: Tensor) =>
  new Node(leafOp as unknown as Op, [], attrs, tensor);

/** The leaf's description, if the tensor is one. */
export const leafOf = (tensor: Tensor): Leaf | undefined =>
  tensor.node.op === (leafOp as unknown as Op) ? (tensor.node.attrs as Leaf) : undefined;

/** Nested numbers, as in `[[1, 2], [3, 4]]`. */
export type Nested = number | readonly Nested[];

/**
 * A leaf with data. `data` is a typed array or plain numbers (with `shape`), or nested arrays that give
 * the shape themselves. Numbers become float32 unless `dtype` says otherwise.
 *
 * @example
 * const x = tensor([[1, 2], [3, 4]]);
 * const ids = tensor([0, 2, 1], [3], "int32");
 */
export function tensor(
  data: TensorData | Nested | readonly bigint[],
  shape?: readonly number[],
  dtype?: DType,
): Tensor {
  const isTyped = ArrayBuffer.isView(data);
  const type = dtype ?? (isTyped ? dtypeOf(data as TensorData) : "float32");
  const flat = isTyped ? (data as TensorData) : [data as Nested].flat(Infinity as 1);
  const dims = shape ?? (isTyped ? [flat.length] : nestedShape(data as Nested));
  const size = staticSize(dims);
  if (flat.length !== size) {
    throw new TensorlaneError(
      `tensor: ${flat.length} values do not fill shape ${format(dims)}, which holds ${size}`,
    );
  }
  const values =
    isTyped && dtypeOf(flat as TensorData) === type
      ? (flat as TensorData)
      : convert(flat as ArrayLike<number>, type);
  return new Tensor({ dtype: type, shape: [...dims] }, leafNode({ kind: "data", data: values }));
}

function nestedShape(data: Nested): number[] {
  if (typeof data === "number" || typeof data === "bigint") return [];
  const inner = data.map(nestedShape);
  if (inner.some((shape) => format(shape) !== format(inner[0]))) {
    throw new TensorlaneError("tensor: nested arrays have rows of different lengths");
  }
  return [data.length, ...(inner[0] ?? [])];
}

function convert<D extends DType>(values: ArrayLike<number | bigint>, dtype: D): DataOf[D] {
  const result = allocate(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    result[i] = (dtype === "int64" ? BigInt(values[i]) : Number(values[i])) as never;
  }
  return result;
}

/** A named place for a value that arrives later; shape entries may be symbolic. */
export const placeholder = (name: string, shape: Shape, dtype: DType = "float32"): Tensor =>
  new Tensor({ dtype, shape }, leafNode({ kind: "placeholder", name }));

/** Random numbers, drawn anew for every seed and step. */
export const random = (shape: Shape, distribution: Distribution): Tensor =>
  new Tensor({ dtype: "float32", shape }, leafNode({ kind: "random", distribution }));

/** Writes a parameter's values, row-major, into memory of its own. */
export type Fill = (target: Float32Array) => unknown;

/**
 * Trainable state: a leaf whose data a Trainer updates in place. Data given as a rule are float32 and made
 * when they are first read, so that a network of which only the shapes are wanted costs no time.
 *
 * @example
 * const weight = new Parameter(new Float32Array(6), [2, 3]);
 * const ones = new Parameter((target) => target.fill(1), [2, 3]);
 */
export class Parameter extends Tensor {
  declare readonly shape: readonly number[];
  requiresGrad: boolean;
  private values: TensorData | undefined;
  /** What makes the values, as long as nobody has read any. */
  private rule: Fill | undefined;

  constructor(data: TensorData | Fill, shape: readonly number[], requiresGrad = true) {
    const values = typeof data === "function" ? undefined : data;
    super({ dtype: values ? dtypeOf(values) : "float32", shape }, leafNode({ kind: "parameter" }));
    if (values && values.length !== staticSize(shape)) {
      throw new TensorlaneError(
        `Parameter: ${values.length} values do not fill shape ${format(shape)}`,
      );
    }
    this.values = values;
    this.rule = typeof data === "function" ? data : undefined;
    this.requiresGrad = requiresGrad;
  }

  /** Row-major values. A Trainer replaces this array by a view of its own memory. */
  get data(): TensorData {
    const values = this.memory();
    const { rule } = this;
    this.rule = undefined;
    rule?.(values as Float32Array);
    return values;
  }

  set data(values: TensorData) {
    this.values = values;
    this.rule = undefined;
  }

  /** Values by a rule from here on: written where the data lie, or at the first reading. */
  fill(rule: Fill): void {
    if (this.values) rule(this.values as Float32Array);
    else this.rule = rule;
  }

  /** Copies values of the same type and number in, where the data lie. */
  assign(values: TensorData): void {
    (this.memory() as Float32Array).set(values as Float32Array);
    this.rule = undefined;
  }

  private memory(): TensorData {
    this.values ??= allocate(this.dtype, staticSize(this.shape));
    return this.values;
  }
}
