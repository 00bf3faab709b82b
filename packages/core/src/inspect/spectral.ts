import { type EvaluateOptions, evaluate } from "../evaluate.ts";
import * as ops from "../graph/ops/index.ts";
import { linearOp, matmulOp } from "../graph/ops/matmul.ts";
import type { Node, Op, Tensor } from "../graph/tensor.ts";
import { dependents, topological } from "../graph/walk.ts";
import type { FoundLoop } from "./loops.ts";

/** Squarings: the radius is then exact to about 1 part in 2^16 for matrices of ordinary condition. */
const SQUARINGS = 16;

/**
 * The spectral radius of every square block of the weights that a step multiplies with the state: by name, and by
 * gate where the weight holds several. Gelfand's formula ρ(W) = lim ‖Wⁿ‖^(1/n), for n = 2^16 by squaring.
 */
export async function spectralRadii(
  found: FoundLoop,
  options: EvaluateOptions = {},
): Promise<Record<string, number>> {
  const blocks = [...blocksOf(found)];
  const norms = blocks.flatMap(([, block]) => {
    const stages: Tensor[] = [];
    let power = block;
    for (let i = 0; i <= SQUARINGS; i++) {
      const norm = ops.amax(ops.sum(ops.abs(power), { dim: 1 }));
      stages.push(norm);
      const scaled = ops.div(power, ops.where(ops.equal(norm, 0), 1, norm));
      power = ops.matmul(scaled, scaled);
    }
    return [ops.stack(stages, 0)];
  });
  const values = await evaluate(norms, options);
  return Object.fromEntries(
    blocks.map(([name], i) => {
      const stages = [...(values[i].data as Float32Array)];
      return [name, Math.exp(stages.reduce((sum, norm, j) => sum + Math.log(norm) / 2 ** j, 0))];
    }),
  );
}

const gateOrder: Readonly<Record<number, readonly string[]>> = {
  3: ["r", "z", "n"],
  4: ["i", "f", "g", "o"],
};

function* blocksOf({ loop, parameters, foreign }: FoundLoop): Generator<[string, Tensor]> {
  const fromState = dependents(
    [...loop.nodes].sort((a, b) => a.id - b.id),
    new Set(loop.states),
  );
  const reads = (tensor: Tensor) => loop.states.includes(tensor) || fromState.has(tensor.node);
  const acting = new Set<Tensor>();
  for (const node of loop.nodes) {
    if (!isProduct(node) || !reads(node.inputs[0])) continue;
    for (const { outputs } of topological([node.inputs[1]], foreign))
      for (const weight of outputs) if (parameters.has(weight)) acting.add(weight);
  }
  for (const weight of acting) {
    const name = parameters.get(weight)!;
    const [rows, columns] = weight.shape as readonly number[];
    if (weight.rank !== 2 || rows % columns !== 0) continue;
    const count = rows / columns;
    if (count === 1) yield [name, weight];
    else {
      for (const [i, block] of ops.split(weight, columns, 0).entries())
        yield [`${name}[${gateOrder[count]?.[i] ?? i}]`, block];
    }
  }
}

const isProduct = ({ op }: Node): boolean =>
  op === (matmulOp as unknown as Op) || op === (linearOp as unknown as Op);
