import { isStatic } from "../../graph/dim.ts";
import type { Node, Op, Tensor } from "../../graph/tensor.ts";
import type { Resolve } from "../../graph/walk.ts";
import { type Attribute, f32 } from "../../onnx/builder.ts";
import type { Lowering, Rewriter } from "../../onnx/lowering.ts";
import { Loops } from "./loop.ts";
import { RowBlocks } from "./rows.ts";

/** Operators on the blocked layout, of ONNX Runtime's CPU provider. */
export const NCHWC = "com.microsoft.nchwc";

/** Attributes of a 1x1 convolution, which is a product. */
export const POINTWISE = { kernel_shape: [1, 1], pads: [0, 0, 0, 0], group: 1 };

/** Batch, channels, height and width of a tensor. */
export type Images = readonly [number, number, number, number];

/** What a convolution does with its result, so that no pass of its own is needed. */
export interface Fused {
  /** For every channel. */
  readonly bias?: string;
  /** A blocked tensor that is added; its memory is overwritten where nobody else reads it. */
  readonly sum?: string;
  readonly relu?: boolean;
}
/** A scale and a shift of every channel, which a convolution of constants takes into its kernel and bias. */
export interface Scaling {
  readonly scale: string;
  readonly shift: string;
}
/** Computes a tensor, with what comes after it. */
type Emit = (after: Omit<Fused, "bias"> & { readonly scaling?: Scaling }) => string;

/** Lowers one kind of node in the blocked layout; false leaves it to the operator's own rule. */
export type Rule = (blocks: Blocks, node: Node) => boolean;
export type Rules = ReadonlyMap<Op, Rule>;

/** The sizes of a tensor of images, static and not empty. */
export function imagesIn({ shape, dtype }: Tensor): Images | undefined {
  if (shape.length !== 4 || dtype !== "float32" || !isStatic(shape) || shape.includes(0)) return;
  return shape as unknown as Images;
}

/**
 * Holds images as (N, C / B, H, W, B) instead of (N, C, H, W), B channels side by side: what ONNX Runtime's
 * fast convolutions work on. A tensor changes its form only where a rule asks for the other one. ONNX
 * Runtime knows nothing of it: a blocked tensor is declared (N, C, H, W), so elementwise operators work on
 * it unchanged.
 */
export class Blocks implements Rewriter {
  readonly onnx: Lowering;
  /** B: 16 with AVX-512, 8 otherwise. */
  readonly size: number;
  private readonly rules: Rules;
  private readonly names = new Map<Tensor, string>();
  private readonly pending = new Map<Tensor, Emit>();
  private readonly uses = new Map<Tensor, number>();
  /** The last node that reads a tensor; none for outputs of the graph. */
  private readonly last = new Map<Tensor, Node | undefined>();
  /** Constants by what they hold. */
  private readonly constants = new Map<string, string>();
  /** What reshaped values are made from. */
  private readonly sources = new Map<string, string>();
  /** Rows of features, as recurrent layers have them. */
  readonly rows: RowBlocks;
  /** The loops that are computed on such rows. */
  readonly loops = new Loops();
  private resolve: Resolve = (tensor) => tensor;

  constructor(onnx: Lowering, size: number, rules: Rules) {
    this.onnx = onnx;
    this.size = size;
    this.rules = rules;
    this.rows = new RowBlocks(this);
  }

  begin(nodes: readonly Node[], outputs: readonly Tensor[], resolve: Resolve): void {
    const used = [...nodes.flatMap((node) => node.inputs), ...outputs];
    for (const tensor of used.map(resolve)) this.uses.set(tensor, (this.uses.get(tensor) ?? 0) + 1);
    for (const node of nodes) {
      for (const tensor of node.inputs) this.last.set(resolve(tensor), node);
    }
    for (const tensor of outputs) this.last.set(resolve(tensor), undefined);
    this.resolve = resolve;
    this.loops.plan(this, nodes, resolve);
  }

  lower(node: Node): boolean {
    return this.rules.get(node.op)?.(this, node) ?? false;
  }

  /** Whether it holds the tensor, as images or as rows. */
  has(tensor: Tensor): boolean {
    return this.isImage(tensor) || this.rows.has(tensor);
  }

  /** Whether it holds the tensor as blocked images. */
  isImage(tensor: Tensor): boolean {
    return this.names.has(tensor) || this.pending.has(tensor);
  }

  plain(tensor: Tensor): string {
    if (this.rows.has(tensor)) return this.rows.plain(tensor);
    const [, channels] = this.imagesOf(tensor)!;
    return this.node("ReorderOutput", [this.held(tensor)], { channels });
  }

  /** The tensors that a node reads. */
  inputsOf(node: Node): readonly Tensor[] {
    return node.inputs.map(this.resolve);
  }

  /** The sizes of images that can be held: static, and whole blocks of channels. */
  imagesOf(tensor: Tensor): Images | undefined {
    const images = imagesIn(tensor);
    return images && images[1] % this.size === 0 ? images : undefined;
  }

  /** The name of a tensor in blocked form; it must be one that can be held. */
  blocked(tensor: Tensor): string {
    if (this.isImage(tensor)) return this.held(tensor);
    const name = this.node("ReorderInput", [this.onnx.nameOf(tensor)]);
    this.names.set(tensor, name);
    return name;
  }

  /** (N, H, W, C), rows of channels; a single block has that form already. */
  toRows(name: string, channels: number): string {
    if (channels === this.size) return name;
    return this.node("ReorderOutput", [name], { channels, channels_last: 1 });
  }

  /** (N, H, W, C) -> (N, C, H, W): by way of blocks it takes half of a Transpose's time. */
  channelsFirst(name: string, [n, channels, height, width]: Images): string {
    const rows = this.reshape(name, [n, height, width, channels]);
    const blocked = this.node("ReorderInput", [rows], { channels_last: 1 });
    return this.node("ReorderOutput", [blocked], { channels });
  }

  /** Says under which name a tensor is found in blocked form. */
  hold(tensor: Tensor, name: string): void {
    this.names.set(tensor, name);
  }

  /** Says how a tensor is computed in blocked form; it is when somebody asks for it. */
  defer(tensor: Tensor, emit: Emit): void {
    this.pending.set(tensor, emit);
  }

  /** How to compute a tensor that has not been yet and that nobody else reads. */
  sole(tensor: Tensor): Emit | undefined {
    return this.uses.get(tensor) === 1 ? this.pending.get(tensor) : undefined;
  }

  /**
   * Whether this node is the last to read the tensor, as far as their order here tells. Only a guess at what is fast: ONNX
   * Runtime copies what is added to in place but is read again.
   */
  isLastRead(tensor: Tensor, node: Node): boolean {
    return this.last.get(tensor) === node;
  }

  private held(tensor: Tensor): string {
    const known = this.names.get(tensor);
    if (known !== undefined) return known;
    const name = this.pending.get(tensor)!({});
    this.pending.delete(tensor);
    this.names.set(tensor, name);
    return name;
  }

  /** A node of the blocked layout. */
  node(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.onnx.node(type, inputs, attributes, 1, NCHWC)[0];
  }
  /** A standard node. */
  standard(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.onnx.node(type, inputs, attributes)[0];
  }
  /** A reshaped value is reshaped from what it was. */
  reshape(name: string, shape: readonly number[]): string {
    const source = this.sources.get(name) ?? name;
    const result = this.standard("Reshape", [source, this.onnx.builder.ints(shape)]);
    this.sources.set(result, source);
    return result;
  }
  concat(parts: readonly string[], axis: number): string {
    return parts.length === 1 ? parts[0] : this.standard("Concat", parts, { axis });
  }
  zeros(shape: readonly number[]): string {
    return this.standard("Expand", [this.onnx.builder.scalar(0), this.onnx.builder.ints(shape)]);
  }
  /** Part of one axis. */
  part(name: string, axis: number, from: number, count: number): string {
    const ints = [from, from + count, axis].map((value) => this.onnx.builder.ints([value]));
    return this.standard("Slice", [name, ...ints]);
  }
  /** Every n-th of the `size` elements of axis 1 of three. */
  everyNth(name: string, size: number, n: number): string {
    if (n === 1) return name;
    const ints = [0, size, 1, n].map((value) => this.onnx.builder.ints([value]));
    return this.standard("Slice", [name, ...ints]);
  }
  /** Which rows a gather takes, in order; made once for equal keys. */
  positions(key: string, shape: readonly [number], fill: (put: (row: number) => void) => void) {
    return this.constant(key, () => {
      const index = new Int32Array(shape[0]);
      let at = 0;
      fill((row) => {
        index[at++] = row;
      });
      if (at === index.length) return this.onnx.builder.constant("int32", shape, index);
      throw new Error(`${key}: ${at} positions instead of ${index.length}`);
    });
  }
  /** One constant for each key. */
  private constant(key: string, make: () => string): string {
    const known = this.constants.get(key) ?? make();
    this.constants.set(key, known);
    return known;
  }
  /** (C, 1, h, w) with the same taps for every channel. */
  sameForAll(channels: number, taps: readonly number[], extent: readonly number[]): string {
    return this.constant(`${channels} x ${taps} ${extent}`, () => {
      const data = Float32Array.from(
        { length: channels * taps.length },
        (_, i) => taps[Math.floor(i / this.size) % taps.length],
      );
      return this.onnx.builder.constant("float32", [channels, 1, ...extent], data);
    });
  }
  /** The sum over the first of two axes: a product with ones takes half of a ReduceSum's time. */
  summed(name: string, [parts, size]: readonly [number, number]): string {
    if (parts === 1) return name;
    const ones = this.onnx.builder.constant("float32", [1, parts], new Float32Array(parts).fill(1));
    return this.standard("MatMul", [ones, this.reshape(name, [parts, size])]);
  }
  /** 1 for every normal positive number, 0 for the others, in one pass. */
  positive(x: string): string {
    return this.standard("HardSigmoid", [x], { alpha: f32(3e38), beta: f32(0) });
  }

  /** scale · x + bias in one pass; the scale is a number, or as many as there are channels. */
  affine(
    x: string,
    scale: string | number,
    fused: Fused,
    channels: number,
    pads: readonly number[] = [0, 0, 0, 0],
  ): string {
    const weight =
      typeof scale === "number"
        ? this.sameForAll(channels, [scale], [1, 1])
        : this.reshape(scale, [channels, 1, 1, 1]);
    const attributes = { kernel_shape: [1, 1], pads, group: channels };
    return this.convolve(x, weight, fused, attributes);
  }

  /** A convolution, in this graph or in the body of a loop. */
  convolve(
    x: string,
    weight: string,
    { bias, sum, relu }: Fused,
    attributes: Attributes,
    onnx: Lowering = this.onnx,
  ): string {
    const inputs = sum ? [x, weight, bias ?? "", sum] : bias ? [x, weight, bias] : [x, weight];
    const all = relu ? { ...attributes, activation: "Relu" } : attributes;
    return onnx.node("Conv", inputs, all, 1, NCHWC)[0];
  }
}
type Attributes = Readonly<Record<string, Attribute>>;
