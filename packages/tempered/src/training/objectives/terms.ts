/** @file The terms that training losses and inner maximisations are sums of. */
import type { Value } from 'onnx-grad';
import type { Clock } from '../clock.ts';
import { type Ramp, rampFactor } from '../ramp.ts';
import { type BoostedCrossEntropy, writeBoostedCrossEntropy } from './boosted-cross-entropy.ts';
import type { LossContext } from './context.ts';
import { type CrossEntropy, writeCrossEntropy } from './cross-entropy.ts';
import { type Discrepancy, writeDiscrepancy } from './discrepancy.ts';
import { type Divergence, writeDivergence } from './divergence.ts';
import { type Margin, writeMargin } from './margin.ts';
import { type PathGradient, writePathGradient } from './path-gradient.ts';

/** One summand of a loss; JSON-serialisable. */
export type Term = (CrossEntropy | Margin | BoostedCrossEntropy | Divergence | Discrepancy | PathGradient) & {
  /** Default 1. */
  readonly weight?: number;
  /** How the weight grows to its full value. Default: it has it all along. */
  readonly ramp?: Ramp;
};

/** Writes the weighted sum of terms, one number an image, [N]. Weights with a ramp are inputs of the graph. */
export function writeTerms(context: LossContext, terms: readonly Term[]): Value {
  const { g } = context;
  return g.sum(
    terms.map((term, i) => {
      const value = writeTerm(context, term);
      if (term.ramp === undefined) return g.scale(value, term.weight ?? 1);
      const name = weightName(i);
      return g.mul(value, g.has(name) ? g.value(name) : g.input(name, 'float32', []));
    }),
  );
}

/** What the weights with a ramp are at a time of the training, by the name of their input. */
export function termWeights(terms: readonly Term[], clock: Clock): Record<string, number> {
  return Object.fromEntries(
    terms.flatMap(({ weight = 1, ramp }, i) => (ramp ? [[weightName(i), weight * rampFactor(ramp, clock)]] : [])),
  );
}

/** Whether a loss looks at predictions on adversarial images. */
export const readsAdversarialLogits = (terms: readonly Term[]): boolean =>
  terms.some((term) => ('at' in term ? term.at === 'adversarial' : term.name !== 'path-gradient'));

const weightName = (index: number): string => `weight_${index}`;

function writeTerm(context: LossContext, term: Term): Value {
  switch (term.name) {
    case 'cross-entropy':
      return writeCrossEntropy(context, term);
    case 'margin':
      return writeMargin(context, term);
    case 'boosted-cross-entropy':
      return writeBoostedCrossEntropy(context, term);
    case 'divergence':
      return writeDivergence(context, term);
    case 'discrepancy':
      return writeDiscrepancy(context, term);
    case 'path-gradient':
      return writePathGradient(context, term);
  }
}
