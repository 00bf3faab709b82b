import { KEYS, keyFrequencies, type Roll } from "./rolls.ts";
import { meansOf, type RollScore } from "./scoring.ts";

const nats = (p: number): number => -Math.log(Math.max(p, 1e-12));

/** Scores rolls by the probability that a key sounds, from whether it did before. */
function score(
  rolls: readonly Roll[],
  probability: (key: number, before: boolean) => number,
): RollScore {
  const table = Array.from({ length: KEYS }, (_, key) =>
    [false, true].map((before) => {
      const p = probability(key, before);
      return { on: nats(p), off: nats(1 - p) };
    }),
  );
  return meansOf(
    rolls.map((roll) => {
      let sum = 0;
      for (let t = 1; t < roll.length; t++) {
        const [before, now] = [new Set(roll[t - 1]), new Set(roll[t])];
        for (let key = 0; key < KEYS; key++) {
          const { on, off } = table[key]![Number(before.has(key))]!;
          sum += now.has(key) ? on : off;
        }
      }
      return { sum, steps: roll.length - 1 };
    }),
  );
}

/** Each key sounds as often as in the training rolls, whatever came before. */
export function constantKeys(train: readonly Roll[], test: readonly Roll[]): RollScore {
  const shares = keyFrequencies(train);
  return score(test, (key) => shares[key]!);
}

/** A key sounds with one of two probabilities, counted over all keys: that after it did, and after not. */
export function keptKeys(train: readonly Roll[], test: readonly Roll[]): RollScore {
  const pairs = { after: 0, both: 0, now: 0, steps: 0 };
  for (const roll of train) {
    for (let t = 1; t < roll.length; t++) {
      const before = new Set(roll[t - 1]);
      pairs.steps++;
      pairs.after += before.size;
      pairs.now += roll[t]!.length;
      pairs.both += roll[t]!.filter((key) => before.has(key)).length;
    }
  }
  const kept = pairs.both / pairs.after;
  const begun = (pairs.now - pairs.both) / (KEYS * pairs.steps - pairs.after);
  return score(test, (_, before) => (before ? kept : begun));
}
