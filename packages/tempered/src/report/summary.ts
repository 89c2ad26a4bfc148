/** @file What a study found, in sentences that follow from its numbers, whichever way they fall. */

import { epsilon, list, percent, percentInterval } from './format.ts';
import type { AccuracyResult, StudyResult } from './study-result.ts';

export interface Finding {
  readonly topic: string;
  readonly text: string;
}

interface Interval {
  readonly lower: number;
  readonly upper: number;
}

const above = (a: Interval, b: Interval): boolean => a.lower > b.upper;

const share = (result: AccuracyResult): string => `${percent(result.accuracy)} ${percentInterval(result)}`;

const points = (a: number, b: number): string => `${Math.abs(100 * (a - b)).toFixed(1)} points`;

/** One finding a question; questions that the study did not ask are left out. Differences count when intervals are apart. */
export function findings(result: StudyResult): Finding[] {
  return [robustness(result), price(result), nonRobustFeature(result), attention(result)].filter(
    (finding) => finding !== undefined,
  );
}

function robustness({ models, attack }: StudyResult): Finding | undefined {
  const at = (model: keyof typeof models) =>
    models[model].underAttack.find((point) => Math.abs(point.epsilon - attack.trainingEpsilon) < 1e-6);
  const [standard, robust] = [at('standard'), at('robust')];
  if (!standard || !robust) return undefined;
  const setting = `Under ${attack.name} at ε = ${epsilon(attack.trainingEpsilon)}`;
  if (!above(robust, standard)) {
    const verdict = above(standard, robust)
      ? 'adversarial training made it worse'
      : 'the intervals overlap, so adversarial training made no measurable difference';
    return {
      topic: 'Robustness',
      text: `${setting} the robust model is right on ${share(robust)} of the test images and the standard model on ${share(standard)}: ${verdict}.`,
    };
  }
  const comparison =
    standard.correct === 0
      ? `where the standard model is right on none of ${standard.count} ${percentInterval(standard)}`
      : `${times(robust, standard)} times as often as the standard model, which is right on ${share(standard)}`;
  return {
    topic: 'Robustness',
    text: `${setting} the robust model is right on ${share(robust)} of the test images, ${comparison}.`,
  };
}

/** Rounded down, so that 4.96 is not "5.0 times"; from counts, because a quotient of shares may fall just below a whole number. */
function times(more: AccuracyResult, less: AccuracyResult): string {
  const [numerator, denominator] = [more.correct * less.count, more.count * less.correct];
  return numerator < 10 * denominator
    ? (Math.floor((10 * numerator) / denominator) / 10).toFixed(1)
    : String(Math.floor(numerator / denominator));
}

function price({ models }: StudyResult): Finding {
  const { standard, robust } = { standard: models.standard.natural, robust: models.robust.natural };
  const start = `On unmodified images the standard model reaches ${share(standard)} and the robust model ${share(robust)}`;
  if (above(standard, robust))
    return { topic: 'Its price', text: `${start}: robustness costs ${points(standard.accuracy, robust.accuracy)}.` };
  if (above(robust, standard))
    return {
      topic: 'Its price',
      text: `${start}: robustness costs nothing here, the robust model is ${points(robust.accuracy, standard.accuracy)} better.`,
    };
  return { topic: 'Its price', text: `${start}: the intervals overlap, so no price is measurable.` };
}

function nonRobustFeature({ models }: StudyResult): Finding | undefined {
  const clauses = (['standard', 'robust'] as const).map((model) => {
    const { natural, conflict } = models[model];
    if (!conflict) return undefined;
    const drop = points(natural.accuracy, conflict.accuracy);
    if (above(natural, conflict))
      return `the ${model} model loses ${drop} and falls to ${share(conflict)}: it relies on that feature`;
    if (above(conflict, natural)) return `the ${model} model gains ${drop} and reaches ${share(conflict)}`;
    return `the ${model} model keeps ${share(conflict)}, no measurable change`;
  });
  const [first, second] = clauses;
  if (!first || !second) return undefined;
  return {
    topic: 'Non-robust feature',
    text: `Where the planted, barely visible pattern no longer goes with the label, ${first}; ${second}.`,
  };
}

function attention({ models, dataset }: StudyResult): Finding | undefined {
  const pairs = models.standard.attributions.flatMap(({ method, relevanceMass }) => {
    const robust = models.robust.attributions.find((other) => other.method === method)?.relevanceMass;
    return relevanceMass && robust ? [{ method, standard: relevanceMass, robust }] : [];
  });
  if (pairs.length === 0) return undefined;
  const by = (kept: typeof pairs) =>
    kept.length === pairs.length ? 'by every method' : `by ${list(kept.map(({ method }) => method))}`;
  const more = pairs.filter((pair) => above(pair.robust, pair.standard));
  const less = pairs.filter((pair) => above(pair.standard, pair.robust));
  const same = pairs.filter((pair) => !more.includes(pair) && !less.includes(pair));
  const verdict = [
    more.length > 0 && `more ${by(more)}`,
    less.length > 0 && `less ${by(less)}`,
    same.length > 0 && `not measurably differently ${by(same)}`,
  ].filter((clause) => clause !== false);
  const figures = pairs.map(
    (pair) => `${pair.method} ${percent(pair.robust.mean)} against ${percent(pair.standard.mean)}`,
  );
  const chance =
    dataset.objectShare === undefined ? '' : `; the object covers ${percent(dataset.objectShare)} of the image`;
  return {
    topic: 'Where it looks',
    text: `Compared with the standard model’s, the robust model’s explanations lie on the object ${list(verdict)} (${list(figures)})${chance}.`,
  };
}
