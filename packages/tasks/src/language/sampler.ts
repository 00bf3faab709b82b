import { UserError } from "../errors.ts";

/** How the next token is drawn. */
export interface Sampling {
  /** Divides the logits: below 1 bolder for the likely, above 1 for the unlikely; 0 takes the likeliest. */
  readonly temperature?: number;
  /** Only so many of the likeliest tokens. */
  readonly topK?: number;
  /** Only the likeliest tokens that together reach this probability (nucleus; Holtzman et al. 2020). */
  readonly topP?: number;
  /** A token that is never drawn. */
  readonly banned?: number;
}

/** Throws UserError where a setting makes no sense. */
export function checkSampling({ temperature = 1, topK, topP }: Sampling): void {
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw new UserError(`the temperature must be 0 or more, received ${temperature}.`);
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new UserError(`top-k must be a whole number from 1, received ${topK}.`);
  }
  if (topP !== undefined && !(topP > 0 && topP <= 1)) {
    throw new UserError(`top-p must be above 0 and at most 1, received ${topP}.`);
  }
}

/**
 * Probabilities of the next token: softmax of the logits over the temperature, cut to the k likeliest,
 * then to the nucleus, and scaled to 1 again. Of equals the one with the smaller id is kept.
 */
export function probabilities(logits: ArrayLike<number>, sampling: Sampling = {}): Float64Array {
  const { temperature = 1, topK = logits.length, topP = 1, banned } = sampling;
  const p = Float64Array.from(logits);
  if (banned !== undefined) p[banned] = Number.NEGATIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (const value of p) highest = Math.max(highest, value);
  if (temperature === 0) {
    const likeliest = p.indexOf(highest);
    return p.fill(0).fill(1, likeliest, likeliest + 1);
  }
  for (let i = 0; i < p.length; i++) p[i] = Math.exp((p[i]! - highest) / temperature);
  scaleToOne(p);
  if (topK >= p.length && topP >= 1) return p;
  // Array sorting is stable: equals stay in the order of their ids.
  const order = Array.from(p.keys()).sort((a, b) => p[b]! - p[a]!);
  let kept = Math.min(topK, p.length);
  const mass = order.slice(0, kept).reduce((sum, id) => sum + p[id]!, 0);
  for (let i = 0, sum = 0; i < kept; i++) {
    sum += p[order[i]!]! / mass;
    if (sum >= topP) kept = i + 1;
  }
  for (const id of order.slice(kept)) p[id] = 0;
  return scaleToOne(p);
}

function scaleToOne(p: Float64Array): Float64Array {
  let sum = 0;
  for (const value of p) sum += value;
  for (let i = 0; i < p.length; i++) p[i]! /= sum;
  return p;
}

/** The token that a uniform number in (0, 1) picks. */
export function pick(p: Float64Array, uniform: number): number {
  let sum = 0;
  let last = 0;
  for (let id = 0; id < p.length; id++) {
    if (p[id] === 0) continue;
    sum += p[id]!;
    last = id;
    if (uniform < sum) return id;
  }
  // Rounding left the sum a little below 1.
  return last;
}
