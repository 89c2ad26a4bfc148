/** @file The figures that a ledger holds, ready for JSON, tables and reports. */
import { accuracyByClass, type Proportion, topAccuracy } from './accuracy.ts';
import type { AttackedImages, Judged, Ledger, LedgerAtEpsilon } from './ledger.ts';

export interface EvaluationSummary {
  /** Without attack. */
  readonly natural: Accuracies;
  readonly underAttack: readonly AccuraciesAtEpsilon[];
}

export interface Accuracies extends Proportion {
  /** Share of images whose class is among the 2 and 5 that score highest; left out where there are no more classes. */
  readonly top2?: Proportion;
  readonly top5?: Proportion;
  /** By class number; null where no image is of the class. */
  readonly byClass: readonly (Proportion | null)[];
}

export interface AccuraciesAtEpsilon extends Accuracies, Cost {
  /** In pixel units. */
  readonly epsilon: number;
  /** Images that an attack broke, and for how many of these that holds with pixels rounded to 8 bits. */
  readonly broken: number;
  readonly survivesRounding: number;
  readonly byAttack: Readonly<Record<string, Proportion & Cost & { readonly medianDistance: number | null }>>;
}

interface Cost {
  readonly zeroGradients: number;
  readonly forwards: number;
  readonly gradients: number;
  readonly seconds: number;
}

export function summaryOf({ labels, natural, underAttack }: Ledger, classes: number): EvaluationSummary {
  return {
    natural: accuracies(natural, labels, classes),
    underAttack: underAttack.map((found) => ({
      ...accuracies(found, labels, classes),
      epsilon: found.epsilon,
      broken: brokenIn(found, natural).length,
      survivesRounding: found.survivesRounding.reduce((sum, flag) => sum + flag, 0),
      ...costOf(found),
      byAttack: byAttack(found, natural),
    })),
  };
}

function accuracies(judged: Judged, labels: readonly number[], classes: number): Accuracies {
  return {
    ...topAccuracy(judged),
    ...(classes > 2 && { top2: topAccuracy(judged, 2) }),
    ...(classes > 5 && { top5: topAccuracy(judged, 5) }),
    byClass: accuracyByClass(judged, labels, classes),
  };
}

const byAttack = (found: LedgerAtEpsilon, natural: Judged): AccuraciesAtEpsilon['byAttack'] =>
  Object.fromEntries(
    Object.entries(found.byAttack).map(([name, each]) => [
      name,
      { ...topAccuracy(each), ...costOf(each), medianDistance: medianDistance(each, natural) },
    ]),
  );

const costOf = ({ zeroGradients, forwards, gradients, seconds }: AttackedImages): Cost => ({
  zeroGradients,
  forwards,
  gradients,
  seconds,
});

const brokenIn = (found: AttackedImages, natural: Judged): number[] =>
  found.rank.flatMap((above, i) => (above > 0 && natural.rank[i] === 0 ? [i] : []));

function medianDistance(found: AttackedImages, natural: Judged): number | null {
  const sorted = brokenIn(found, natural)
    .map((i) => found.distance[i]!)
    .sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}
