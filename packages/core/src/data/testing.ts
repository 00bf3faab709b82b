import fc from "fast-check";
import type { BinaryTree } from "./trees.ts";

/** Trees of 1 to `words` words, of every shape, with labels 0 to 4. */
export const anyTree = (words: number): fc.Arbitrary<BinaryTree> =>
  fc
    .tuple(
      fc.integer({ min: 1, max: words }),
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
        minLength: words,
        maxLength: words,
      }),
      fc.array(fc.integer({ min: 0, max: 4 }), {
        minLength: 2 * words - 1,
        maxLength: 2 * words - 1,
      }),
    )
    .map(([count, cuts, labels]) => {
      const left: number[] = [];
      const right: number[] = [];
      const join = (from: number, to: number): number => {
        if (to - from === 1) return from;
        const middle = from + 1 + Math.floor(cuts[from] * (to - from - 1));
        const [a, b] = [join(from, middle), join(middle, to)];
        left.push(a);
        right.push(b);
        return count + left.length - 1;
      };
      join(0, count);
      return {
        words: Array.from({ length: count }, (_, i) => `w${i}`),
        left: Int32Array.from(left),
        right: Int32Array.from(right),
        labels: Int32Array.from(labels.slice(0, 2 * count - 1)),
      };
    });
