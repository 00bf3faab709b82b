import { TensorlaneError } from "../../errors.ts";
import { equal, format, multiply } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { Module } from "../module.ts";
import type { TreeCell } from "./cells.ts";

/**
 * In which order inner nodes are computed, as index tensors (int32), from `data.TreePacks`: K steps of W
 * nodes each. A state waits in one of S places until its parent reads it; place 0 stays empty.
 */
export interface TreeOrder {
  /** (K, 2, W): the word that is the left (right) child, counted from 1; 0 where an inner node is. */
  readonly leaf: Tensor;
  /** (K, 2, W): the place of the inner node that is the left (right) child; 0 where a word is. */
  readonly slot: Tensor;
  /** (K, S): what each place holds after the step: a place before it, or S + w for the step's node w. */
  readonly keep: Tensor;
}

export interface RecursiveOptions {
  readonly cell: TreeCell;
}

/**
 * Applies a cell at every node of many trees at once. Whichever nodes of the batch are ready are computed
 * together, a fixed number at a time: a loop over chunks, so that shapes are static and little is padding.
 *
 * @example
 * const tree = new nn.Recursive({ cell: new nn.TreeLSTMCell({ inputSize: 100, hiddenSize: 120 }) });
 * const states = tree.forward(words, { leaf, slot, keep }); // (L, 100) -> (L + K·W, 120)
 */
export class Recursive extends Module {
  readonly cell: TreeCell;

  constructor({ cell }: RecursiveOptions) {
    super();
    this.cell = cell;
  }

  /** Word vectors (L, inputSize) -> hidden states of all words, then of step 0's W nodes, step 1's, ... */
  forward(x: Tensor, { leaf, slot, keep }: TreeOrder): Tensor {
    const { cell } = this;
    const [steps, , width] = leaf.shape;
    const fits =
      [leaf, slot].every(
        ({ rank, shape }) =>
          rank === 3 && equal(shape[0], steps) && equal(shape[1], 2) && equal(shape[2], width),
      ) &&
      keep.rank === 2 &&
      equal(keep.shape[0], steps);
    if (!fits) {
      throw new TensorlaneError(
        `Recursive: leaf and slot must be (steps, 2, width), keep (steps, slots); received ` +
          `${[leaf, slot, keep].map(({ shape }) => format(shape)).join(", ")}`,
      );
    }
    const leaves = cell.leaf(x);
    const nothing = ops.zeros([1, cell.stateSize]);
    // All words that are children are fetched in one go; the loop adds the inner nodes to them.
    const words = ops.take(ops.concat([nothing, leaves]), leaf);
    const { ys } = ops.scan(
      [ops.zeros([keep.shape[1], cell.stateSize])],
      [words, slot, keep],
      ([before], [ownWords, ownSlots, ownKeep]) => {
        const children = ops.add(ownWords, ops.take(before, ownSlots));
        const made = cell.forward(ops.select(children, 0, 0), ops.select(children, 1, 0));
        return { states: [ops.take(ops.concat([before, made]), ownKeep)], ys: [made] };
      },
    );
    const inner = ops.reshape(ys[0], [multiply(steps, width), cell.stateSize]);
    return ops.concat([leaves, inner].map((states) => cell.hidden(states)));
  }
}
