import { reluGradientOp, reluOp } from "../../graph/ops/activations.ts";
import { batchNormGradientOp, batchNormOp, batchNormTrainOp } from "../../graph/ops/channelNorm.ts";
import { convDataGradientOp, convOp, convWeightGradientOp } from "../../graph/ops/conv.ts";
import { addOp } from "../../graph/ops/elementwise.ts";
import { linearOp, matmulOp } from "../../graph/ops/matmul.ts";
import { maxPoolGradientOp, maxPoolOp } from "../../graph/ops/pool.ts";
import { meanOp, sumOp } from "../../graph/ops/reduce.ts";
import { scanOp } from "../../graph/ops/scan.ts";
import { concatOp, expandOp, reshapeOp } from "../../graph/ops/shape.ts";
import type { Op } from "../../graph/tensor.ts";
import type { Rewrite } from "../../onnx/lowering.ts";
import { convRule, dataGradientRule } from "./conv.ts";
import { addRule, concatRule, reluRule } from "./elementwise.ts";
import { fewRowsRule } from "./fewRows.ts";
import { Blocks, type Rule, type Rules } from "./layout.ts";
import { scanRule } from "./loop.ts";
import {
  batchNormGradientRule,
  batchNormRule,
  batchNormTrainRule,
  reluGradientRule,
} from "./norm.ts";
import { expandRule, globalMeanRule, maxPoolRule } from "./pool.ts";
import { maxPoolGradientRule } from "./poolGradient.ts";
import { concatRowsRule, linearRule, matmulRule, reshapeRule, sumRule } from "./products.ts";
import { weightGradientRule } from "./weightGradient.ts";

const entry = <A extends object>(op: Op<A>, rule: Rule): readonly [Op, Rule] => [
  op as unknown as Op,
  rule,
];

/** What is computed in the blocked layout, and products that are computed otherwise than asked for. */
const rules: Rules = new Map([
  entry(convOp, convRule),
  entry(convDataGradientOp, dataGradientRule),
  entry(convWeightGradientOp, weightGradientRule),
  entry(batchNormOp, batchNormRule),
  entry(batchNormTrainOp, batchNormTrainRule),
  entry(batchNormGradientOp, batchNormGradientRule),
  entry(reluOp, reluRule),
  entry(reluGradientOp, reluGradientRule),
  entry(addOp, addRule),
  entry(concatOp, (blocks, node) => concatRule(blocks, node) || concatRowsRule(blocks, node)),
  entry(maxPoolOp, maxPoolRule),
  entry(maxPoolGradientOp, maxPoolGradientRule),
  entry(meanOp, globalMeanRule),
  entry(expandOp, expandRule),
  entry(matmulOp, (blocks, node) => fewRowsRule(blocks, node) || matmulRule(blocks, node)),
  entry(linearOp, linearRule),
  entry(scanOp, scanRule),
  entry(reshapeOp, reshapeRule),
  entry(sumOp, sumRule),
]);

/** Lowers convolutional networks for ONNX Runtime's CPU provider, with blocks of `size` channels. */
export const blockedRewrite =
  (size: number): Rewrite =>
  (onnx) =>
    new Blocks(onnx, size, rules);
