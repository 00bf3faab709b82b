import { TensorlaneError } from "../../errors.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Parameter, Tensor } from "../../graph/tensor.ts";
import { type Initializer, normal, parameter, uniform, zeros } from "../init.ts";
import { Module } from "../module.ts";

/**
 * How a tree network makes a node's state out of its children's: what `Recursive` applies at every node.
 * Write your own by giving `leaf`, `forward` and `hidden`. A state is one row of `stateSize` numbers.
 */
export abstract class TreeCell extends Module {
  abstract readonly stateSize: number;
  /** Size of what `hidden` gives. */
  abstract readonly hiddenSize: number;
  /** Words (L, inputSize) -> their states (L, stateSize). */
  abstract leaf(x: Tensor): Tensor;
  /** States of left and right children (N, stateSize) each -> states of their parents. */
  abstract override forward(left: Tensor, right: Tensor): Tensor;
  /** What the network sees of states (…, stateSize) -> (…, hiddenSize). */
  hidden(state: Tensor): Tensor {
    return state;
  }
}

export interface TreeCellOptions {
  /** Size of the word vectors. */
  readonly inputSize: number;
  readonly hiddenSize: number;
}

/** Plain and tensor networks read word vectors as they are: a word and a phrase live in one space. */
function sameSizes(cell: string, { inputSize, hiddenSize }: TreeCellOptions): number {
  if (inputSize === hiddenSize) return hiddenSize;
  throw new TensorlaneError(
    `${cell}: words and phrases share one space, so inputSize (${inputSize}) and hiddenSize ` +
      `(${hiddenSize}) must be equal`,
  );
}

const both = (left: Tensor, right: Tensor): Tensor => ops.concat([left, right], -1);

/** Each half of the matrix near half the identity: a phrase starts as the mean of its parts. */
const halves: Initializer = (target, [rows, columns], draw) => {
  normal(0, 0.01)(target, [rows, columns], draw);
  for (let i = 0; i < rows; i++) {
    target[i * columns + i] += 0.5;
    target[i * columns + rows + i] += 0.5;
  }
};

/**
 * The plain recursive network (Socher et al. 2011): p = tanh(W [a; b] + bias).
 * (N, hiddenSize) twice -> (N, hiddenSize).
 */
export class RecursiveCell extends TreeCell {
  readonly hiddenSize: number;
  readonly stateSize: number;
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(options: TreeCellOptions) {
    super();
    const size = sameSizes("RecursiveCell", options);
    this.hiddenSize = size;
    this.stateSize = size;
    this.weight = parameter([size, 2 * size], halves);
    this.bias = parameter([size], zeros);
  }

  leaf(x: Tensor): Tensor {
    return ops.tanh(x);
  }

  forward(left: Tensor, right: Tensor): Tensor {
    return ops.tanh(ops.linear(both(left, right), this.weight, this.bias));
  }
}

/**
 * The recursive neural tensor network (Socher et al. 2013):
 * p = tanh([a; b]ᵀ V [a; b] + W [a; b] + bias), V being a (2d, 2d) matrix for each of the d outputs.
 * (N, hiddenSize) twice -> (N, hiddenSize).
 */
export class TensorCell extends TreeCell {
  readonly hiddenSize: number;
  readonly stateSize: number;
  readonly weight: Parameter;
  readonly bias: Parameter;
  /** V, the slices one below the other: (d · 2d, 2d). */
  readonly tensor: Parameter;

  constructor(options: TreeCellOptions) {
    super();
    const size = sameSizes("TensorCell", options);
    this.hiddenSize = size;
    this.stateSize = size;
    this.weight = parameter([size, 2 * size], halves);
    this.bias = parameter([size], zeros);
    const bound = 1 / (4 * size);
    this.tensor = parameter([size * 2 * size, 2 * size], uniform(-bound, bound));
  }

  leaf(x: Tensor): Tensor {
    return ops.tanh(x);
  }

  forward(left: Tensor, right: Tensor): Tensor {
    const size = this.hiddenSize;
    const x = both(left, right);
    const rows = x.shape[0];
    const slices = ops.reshape(ops.linear(x, this.tensor), [rows, size, 2 * size]);
    const products = ops.sum(ops.mul(slices, ops.unsqueeze(x, 1)), { dim: -1 });
    return ops.tanh(ops.add(products, ops.linear(x, this.weight, this.bias)));
  }
}

export interface MatrixVectorCellOptions extends TreeCellOptions {
  /** Of the part of a word's matrix that is no diagonal; 3 in the paper. */
  readonly rank?: number;
}

/**
 * The matrix-vector network, MV-RNN (Socher et al. 2012): a node is what it means, a vector, and what it does to its
 * sibling, a matrix. p = tanh(W [B a; A b] + bias), P = W_M [A; B]. A word's matrix is I + diag(d) + U V, of rank
 * `rank` beyond the diagonal, so its row of the embedding holds the vector, d, U and V: inputSize must be
 * `MatrixVectorCell.inputSize(hiddenSize, rank)`. (N, n + n²) twice -> (N, n + n²), n being hiddenSize: the vector,
 * then the matrix column by column.
 *
 * @example
 * const cell = new nn.MatrixVectorCell({ inputSize: nn.MatrixVectorCell.inputSize(25), hiddenSize: 25 });
 */
export class MatrixVectorCell extends TreeCell {
  readonly hiddenSize: number;
  readonly stateSize: number;
  readonly rank: number;
  readonly weight: Parameter;
  readonly bias: Parameter;
  /** W_M, (n, 2n). */
  readonly matrixWeight: Parameter;

  constructor({ inputSize, hiddenSize, rank = 3 }: MatrixVectorCellOptions) {
    super();
    const expected = MatrixVectorCell.inputSize(hiddenSize, rank);
    if (inputSize !== expected) {
      throw new TensorlaneError(
        `MatrixVectorCell: a word needs a vector and a matrix, ${expected} numbers for hiddenSize ${hiddenSize} ` +
          `and rank ${rank}; received inputSize ${inputSize}`,
      );
    }
    this.hiddenSize = hiddenSize;
    this.stateSize = hiddenSize + hiddenSize ** 2;
    this.rank = rank;
    this.weight = parameter([hiddenSize, 2 * hiddenSize], halves);
    this.bias = parameter([hiddenSize], zeros);
    this.matrixWeight = parameter([hiddenSize, 2 * hiddenSize], halves);
  }

  /** Numbers of a word: its vector, the diagonal of its matrix, U and V. */
  static inputSize(hiddenSize: number, rank = 3): number {
    return hiddenSize * (2 + 2 * rank);
  }

  leaf(x: Tensor): Tensor {
    const { hiddenSize: n, rank } = this;
    const count = x.shape[0];
    const [vector, diagonal, u, v] = ops.split(x, [n, n, n * rank, n * rank], -1);
    const columns = ops.matmul(ops.reshape(v, [count, n, rank]), ops.reshape(u, [count, rank, n]));
    const own = ops.mul(
      ops.oneHot(ops.arange(n, "int32"), n),
      ops.unsqueeze(ops.add(diagonal, 1), -1),
    );
    return this.state(vector, ops.add(columns, own));
  }

  forward(left: Tensor, right: Tensor): Tensor {
    const [[a, A], [b, B]] = [left, right].map((state) => this.parts(state));
    // Matrices lie column by column: M x is the sum of columns, each times its element of x.
    const changed = (columns: Tensor, x: Tensor) =>
      ops.sum(ops.mul(columns, ops.unsqueeze(x, -1)), { dim: 1 });
    const seen = both(changed(B, a), changed(A, b));
    const vector = ops.tanh(ops.linear(seen, this.weight, this.bias));
    return this.state(vector, ops.linear(both(A, B), this.matrixWeight));
  }

  override hidden(state: Tensor): Tensor {
    return ops.split(state, [this.hiddenSize, this.hiddenSize ** 2], -1)[0];
  }

  /** The vectors (N, n) and the matrices' columns (N, n, n) of states. */
  private parts(state: Tensor): readonly [Tensor, Tensor] {
    const n = this.hiddenSize;
    const [vector, matrix] = ops.split(state, [n, n * n], -1);
    return [vector, ops.reshape(matrix, [state.shape[0], n, n])];
  }

  private state(vector: Tensor, columns: Tensor): Tensor {
    return both(vector, ops.reshape(columns, [vector.shape[0], this.hiddenSize ** 2]));
  }
}

/** What the two kinds of Tree-LSTM share: the leaves, and a state of hidden and memory side by side. */
abstract class TreeLSTMBase extends TreeCell {
  readonly hiddenSize: number;
  readonly stateSize: number;
  /** The leaf's gates i, o and its candidate u: (3 · hidden, inputSize). */
  readonly weight_ih: Parameter;
  readonly bias_ih: Parameter;
  protected readonly rule: Initializer;

  constructor({ inputSize, hiddenSize }: TreeCellOptions) {
    super();
    this.hiddenSize = hiddenSize;
    this.stateSize = 2 * hiddenSize;
    this.rule = uniform(-1 / Math.sqrt(hiddenSize), 1 / Math.sqrt(hiddenSize));
    this.weight_ih = parameter([3 * hiddenSize, inputSize], this.rule);
    this.bias_ih = parameter([3 * hiddenSize], this.rule);
  }

  leaf(x: Tensor): Tensor {
    const [i, o, u] = this.gates(ops.linear(x, this.weight_ih, this.bias_ih));
    return this.state(o, ops.mul(i, u));
  }

  override hidden(state: Tensor): Tensor {
    return this.parts(state)[0];
  }

  /** Hidden and memory of states. */
  protected parts(state: Tensor): readonly Tensor[] {
    return ops.split(state, this.hiddenSize, -1);
  }

  /** All blocks but the last are gates, the last is the candidate. */
  protected gates(values: Tensor): readonly Tensor[] {
    const count = (values.shape.at(-1) as number) / this.hiddenSize - 1;
    const [open, u] = ops.split(values, [count * this.hiddenSize, this.hiddenSize], -1);
    return [...ops.split(ops.sigmoid(open), this.hiddenSize, -1), ops.tanh(u)];
  }

  protected state(o: Tensor, c: Tensor): Tensor {
    return ops.concat([ops.mul(o, ops.tanh(c)), c], -1);
  }
}

/**
 * Binary Tree-LSTM (Tai et al. 2015, the N-ary kind with N = 2), a forget gate for each child:
 * c = i · u + f_l · c_l + f_r · c_r, h = o · tanh(c), gates from [h_l; h_r].
 * (N, 2 · hiddenSize) twice -> (N, 2 · hiddenSize): hidden and memory side by side.
 */
export class TreeLSTMCell extends TreeLSTMBase {
  /** i, o, f_l, f_r, u: (5 · hidden, 2 · hidden). */
  readonly weight_hh: Parameter;
  readonly bias_hh: Parameter;

  constructor(options: TreeCellOptions) {
    super(options);
    const { hiddenSize } = options;
    this.weight_hh = parameter([5 * hiddenSize, 2 * hiddenSize], this.rule);
    this.bias_hh = parameter([5 * hiddenSize], this.rule);
  }

  forward(left: Tensor, right: Tensor): Tensor {
    const [hl, cl] = this.parts(left);
    const [hr, cr] = this.parts(right);
    const values = ops.linear(both(hl, hr), this.weight_hh, this.bias_hh);
    const [i, o, fl, fr, u] = this.gates(values);
    const kept = ops.add(ops.mul(fl, cl), ops.mul(fr, cr));
    return this.state(o, ops.add(ops.mul(i, u), kept));
  }
}

/**
 * Child-sum Tree-LSTM (Tai et al. 2015): the children's order does not matter; gates from h_l + h_r, and the
 * same forget weights for each child. (N, 2 · hiddenSize) twice -> (N, 2 · hiddenSize).
 */
export class ChildSumTreeLSTMCell extends TreeLSTMBase {
  /** i, o, u: (3 · hidden, hidden). */
  readonly weight_hh: Parameter;
  readonly bias_hh: Parameter;
  /** The forget gate of each child: (hidden, hidden). */
  readonly weight_fh: Parameter;
  readonly bias_fh: Parameter;

  constructor(options: TreeCellOptions) {
    super(options);
    const { hiddenSize } = options;
    this.weight_hh = parameter([3 * hiddenSize, hiddenSize], this.rule);
    this.bias_hh = parameter([3 * hiddenSize], this.rule);
    this.weight_fh = parameter([hiddenSize, hiddenSize], this.rule);
    this.bias_fh = parameter([hiddenSize], this.rule);
  }

  forward(left: Tensor, right: Tensor): Tensor {
    const [hl, cl] = this.parts(left);
    const [hr, cr] = this.parts(right);
    const [i, o, u] = this.gates(ops.linear(ops.add(hl, hr), this.weight_hh, this.bias_hh));
    const forget = (h: Tensor) => ops.sigmoid(ops.linear(h, this.weight_fh, this.bias_fh));
    const kept = ops.add(ops.mul(forget(hl), cl), ops.mul(forget(hr), cr));
    return this.state(o, ops.add(ops.mul(i, u), kept));
  }
}
