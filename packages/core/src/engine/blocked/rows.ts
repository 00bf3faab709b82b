import { isStatic, type Shape } from "../../graph/dim.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Blocks } from "./layout.ts";

/**
 * Rows of features in blocks: `steps` times (width / B, rows, B), B features side by side. ONNX Runtime takes
 * them for images (steps, width, 1, rows): a product with a matrix is a 1x1 convolution of them.
 */
export interface Rows {
  readonly name: string;
  readonly steps: number;
  readonly rows: number;
  readonly width: number;
}
/** How rows are shared out among steps. */
export type Cut = Pick<Rows, "steps" | "rows">;

/** The tensors (…, width) that are held as rows in blocks, and the ways there and back. */
export class RowBlocks {
  private readonly blocks: Blocks;
  private readonly held = new Map<Tensor, Rows>();
  /** Rows of all steps together, by the name of those that are not. */
  private readonly whole = new Map<string, Rows>();

  constructor(blocks: Blocks) {
    this.blocks = blocks;
  }

  has(tensor: Tensor): boolean {
    return this.held.has(tensor);
  }

  get(tensor: Tensor): Rows | undefined {
    return this.held.get(tensor);
  }

  hold(tensor: Tensor, rows: Rows): void {
    this.held.set(tensor, rows);
  }

  /** Whether (…, width) can be held: static, float, and whole blocks of features. */
  fits({ shape, dtype }: Tensor): boolean {
    const width = shape.at(-1);
    if (dtype !== "float32" || !isStatic(shape) || shape.length < 2 || shape.includes(0)) {
      return false;
    }
    return (width as number) % this.blocks.size === 0;
  }

  plain(tensor: Tensor): string {
    const { name, width } = this.held.get(tensor)!;
    const rows = this.blocks.node("ReorderOutput", [name], { channels: width, channels_last: 1 });
    return this.blocks.reshape(rows, tensor.shape as readonly number[]);
  }

  /** A tensor (…, width) as `steps` times `rows` of them; it must be one that fits. */
  of(tensor: Tensor, { steps, rows }: Cut): Rows {
    const known = this.held.get(tensor);
    if (known?.steps === steps && known.rows === rows) return known;
    if (known && steps === 1) return this.joined(known);
    const plain = this.blocks.onnx.nameOf(tensor);
    return this.laid(plain, { steps, rows, width: tensor.shape.at(-1) as number });
  }

  private laid(plain: string, { steps, rows, width }: Omit<Rows, "name">): Rows {
    const shaped = this.blocks.reshape(plain, [steps, 1, rows, width]);
    const name = this.blocks.node("ReorderInput", [shaped], { channels_last: 1 });
    return { name, steps, rows, width };
  }

  /** A matrix whose width is no whole number of blocks, with zeros up to one. */
  padded(matrix: string, width: number, cut: Cut): Rows {
    const missing = Math.ceil(width / this.blocks.size) * this.blocks.size - width;
    const { steps, rows } = cut;
    return this.laid(this.withZeros(matrix, [0, missing]), { steps, rows, width: width + missing });
  }

  /** A matrix with so many rows and columns of zeros behind its own. */
  withZeros(matrix: string, [down, right]: readonly [number, number]): string {
    if (down + right === 0) return matrix;
    return this.blocks.standard("Pad", [
      matrix,
      this.blocks.onnx.builder.ints([0, 0, down, right]),
    ]);
  }

  /** All steps in one: (steps, width / B, rows · B) -> (width / B, steps, rows · B), whole runs at a time. */
  private joined({ name, steps, rows, width }: Rows): Rows {
    const known = this.whole.get(name);
    if (known) return known;
    const { onnx, size } = this.blocks;
    const blocks = width / size;
    const runs = this.blocks.reshape(name, [steps * blocks, rows * size]);
    const order = Array.from({ length: blocks * steps }, (_, i) => {
      const [block, step] = [Math.floor(i / steps), i % steps];
      return step * blocks + block;
    });
    const gathered = this.blocks.standard("Gather", [runs, onnx.builder.ints(order)], { axis: 0 });
    const image = this.blocks.reshape(gathered, [1, width, 1, steps * rows]);
    const whole = { name: image, steps: 1, rows: steps * rows, width };
    this.whole.set(name, whole);
    return whole;
  }

  /** A matrix as the kernels of a 1x1 convolution: (out, in), or (in, out) where it is not transposed. */
  kernels(matrix: string, inputs: number, outputs: number, transposed: boolean): string {
    const image = transposed ? [1, outputs, 1, inputs] : [1, 1, inputs, outputs];
    const shaped = this.blocks.reshape(matrix, image);
    const laid = this.blocks.node("ReorderInput", [shaped], transposed ? {} : { channels_last: 1 });
    return this.blocks.reshape(laid, [outputs, inputs, 1, 1]);
  }

  /** A vector (width) repeated for every row. */
  repeated(vector: string, width: number, rows: number): string {
    const column = this.blocks.reshape(vector, [1, width, 1, 1]);
    const ints = this.blocks.onnx.builder.ints([1, width, 1, rows]);
    return this.blocks.node("ReorderInput", [this.blocks.standard("Expand", [column, ints])]);
  }

  /** One value for each row, (steps, rows, 1) of any type, repeated for every feature. */
  spread(name: string, { steps, rows, width }: Omit<Rows, "name">): string {
    const { size } = this.blocks;
    const shaped = this.blocks.reshape(name, [steps, 1, rows, 1]);
    const target = this.blocks.onnx.builder.ints([steps, width / size, rows, size]);
    const wide = this.blocks.standard("Expand", [shaped, target]);
    return this.blocks.reshape(wide, [steps, width, 1, rows]);
  }
}

/** Whether a reshape keeps the last axis: it only cuts the others otherwise. */
export const keepsRows = (from: Shape, to: Shape): boolean =>
  to.length >= 2 && from.at(-1) === to.at(-1);
