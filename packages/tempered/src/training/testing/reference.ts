/** @file The terms of training losses for one image, in double precision, written from their formulas. */
import type { Term } from '../objectives/terms.ts';

export interface ReferencePass {
  readonly x: readonly number[];
  readonly logits: readonly number[];
  /** Of each class. */
  readonly maps: readonly (readonly number[])[];
}

export interface ReferenceBatch {
  readonly size: number;
  /** ∇ of the cross-entropy of one image by its pixels. */
  slope(x: readonly number[], label: number): readonly number[];
}

export function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((z) => Math.exp(z - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / total);
}

export function crossEntropy(logits: readonly number[], label: number): number {
  const top = Math.max(...logits);
  return Math.log(logits.reduce((sum, z) => sum + Math.exp(z - top), 0)) + top - logits[label]!;
}

const distance = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0);

/** One term at one image. */
export function termAt(
  term: Term,
  passes: { clean: ReferencePass; adversarial: ReferencePass },
  label: number,
  batch: ReferenceBatch,
): number {
  const { clean, adversarial } = passes;
  switch (term.name) {
    case 'cross-entropy':
      return crossEntropy(passes[term.at].logits, label);
    case 'margin': {
      const { logits } = passes[term.at];
      const others =
        term.rival === 'other or 0'
          ? logits.map((z, k) => (k === label ? 0 : z))
          : logits.filter((_, k) => k !== label);
      const ahead = logits[label]! - Math.max(...others);
      return term.confidence === undefined ? -ahead : -Math.max(0, ahead + term.confidence);
    }
    case 'boosted-cross-entropy': {
      const { logits } = passes[term.at];
      const rival = Math.max(...softmax(logits).filter((_, k) => k !== label));
      return crossEntropy(logits, label) - Math.log1p(-rival);
    }
    case 'divergence': {
      const [p, q] = [softmax(clean.logits), softmax(adversarial.logits)];
      const divergence = p.reduce((sum, value, k) => sum + value * Math.log(value / q[k]!), 0);
      const doubt = p.reduce((sum, value, k) => (k === label ? sum : sum + value), 0);
      return term.weighting === 'doubt' ? divergence * doubt : divergence;
    }
    case 'discrepancy': {
      const distances = clean.maps.map((map, k) => distance(map, adversarial.maps[k]!));
      const probabilities = softmax(adversarial.logits);
      const rest = 1 - probabilities[label]!;
      const [half, positions, total] = term.form === 'paper' ? [0.5, clean.maps[0]!.length, 1] : [1, 1, rest];
      if (term.classes === 'true') return distances[label]! / positions;
      const others = distances.reduce(
        (sum, value, k) => (k === label ? sum : sum + (probabilities[k]! / total) * value),
        0,
      );
      return (half * (distances[label]! + others)) / positions;
    }
    case 'path-gradient': {
      const way = adversarial.x.map((value, i) => value - clean.x[i]!);
      const slopes = Array.from({ length: term.steps }, (_, k) =>
        batch.slope(
          clean.x.map((value, i) => value + ((k + 1) / term.steps) * way[i]!),
          label,
        ),
      );
      const norm = way.reduce(
        (sum, step, i) => sum + Math.abs((step * slopes.reduce((total, slope) => total + slope[i]!, 0)) / term.steps),
        0,
      );
      return term.of === 'batch mean' ? norm / batch.size : norm;
    }
  }
}
