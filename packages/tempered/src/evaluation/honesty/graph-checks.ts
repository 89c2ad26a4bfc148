/** @file C10, C11 and C22: what the graph and the data say before any attack. */
import type { ModelDescription } from '../../models/classifier.ts';
import { check, type HonestyCheck, listed, ofCount, percent } from './check.ts';
import type { MaskSearch } from './masks.ts';

/** C10: nodes that pass no gradient on, or saturate on the data. */
export function nodesPassGradients({ inspection, masks }: MaskSearch, clipped: readonly SaturatedClip[]): HonestyCheck {
  const { cuts, quantized, oscillations } = inspection;
  const saturated = clipped.filter(({ share }) => share >= SATURATED);
  const notes = [
    quantized.length > 0 && `${quantized.length} quantised (their gradient is taken straight through)`,
    oscillations.length > 0 && `oscillating: ${listed(oscillations.map(({ node }) => node))}`,
    saturated.length > 0 &&
      `saturated on the data: ${listed(saturated.map(({ node, share }) => `${node} (${percent(share)})`))}`,
  ].filter(Boolean);
  const data = { cuts, quantized, oscillations, clipped };
  if (cuts.length > 0) {
    const evidence = [`without a gradient: ${listed(cuts.map(({ node }) => node))}`, ...notes].join('; ');
    const isRepaired = masks.filter(({ kind }) => kind === 'rounding').every(({ repair }) => repair !== undefined);
    return check('C10', 'fail', evidence, {
      advice: isRepaired
        ? 'their gradients are taken straight through in the repaired attacks'
        : 'no way round is known for some of them: attack with square, or transfer from a model without them',
      data,
    });
  }
  const evidence = [`every node between input and scores has a gradient`, ...notes].join('; ');
  if (saturated.length === 0) return check('C10', 'pass', evidence, { data });
  return check('C10', 'warn', evidence, {
    advice: 'clipping that saturates hides gradients: compare with an attack without gradients (square)',
    data,
  });
}

/** A Clip node and the share of its elements that lie beyond its bounds on the data. */
export interface SaturatedClip {
  readonly node: string;
  readonly share: number;
}

/** Activations that are clipped at 0 lose half their elements; more than this much is no activation. */
const SATURATED = 0.95;

/** What the logits of the sample and the data show. */
export interface OutputEvidence {
  /** Whether every row of the output is non-negative and sums to 1. */
  readonly looksLikeProbabilities: boolean;
  readonly lowestPixel: number;
  readonly highestPixel: number;
  readonly naturalAccuracy: number;
}

/** C11: softmax, class counts, pixel range, normalisation, batch statistics. */
export function outputsAsExpected(
  { classes, leftOut }: ModelDescription,
  { inspection }: MaskSearch,
  { looksLikeProbabilities, lowestPixel, highestPixel, naturalAccuracy }: OutputEvidence,
): HonestyCheck {
  const { tail, batchStatistics, isNormalized } = inspection;
  const problems: string[] = [];
  const notes: string[] = [];
  const advice: string[] = [];
  const isTail = tail.kind !== 'logits' && tail.kind !== 'log-softmax';
  if (isTail) {
    problems.push(`the output is made by a ${tail.kind}`);
    advice.push(`attacks take the scores before it ('${tail.logits}')`);
  } else if (looksLikeProbabilities) {
    problems.push('the output looks like probabilities, though the graph shows no softmax');
    advice.push('export the model with its class scores (logits) as output');
  } else
    notes.push(`the output holds ${tail.kind === 'logits' ? 'scores' : 'log-probabilities, which serve as scores'}`);
  if (leftOut) notes.push(`the ${leftOut} at the end of the file was left out when it was read`);
  if (batchStatistics.length > 0) {
    problems.push(`batch statistics: ${listed(batchStatistics.map(({ node }) => node))} in training mode`);
    advice.push('export the model in evaluation mode: predictions depend on the other images of a batch');
  }
  if (lowestPixel < 0 || highestPixel > 1) {
    problems.push(`pixels from ${lowestPixel} to ${highestPixel} leave [0, 1]`);
    advice.push('scale images to [0, 1] and put mean and std into the model');
  } else if (highestPixel <= 2 / 255) {
    problems.push(`no pixel is above ${highestPixel}: images may be scaled twice`);
    advice.push('give images in [0, 1]');
  }
  if (naturalAccuracy < 1.5 / classes.length && !isNormalized) {
    problems.push(`clean accuracy is ${percent(naturalAccuracy)}, and the graph does not normalise its input`);
    advice.push('give the mean and std that the model was trained with');
  }
  notes.push(isNormalized ? 'normalisation is in the graph' : 'the graph does not normalise its input');
  if (classes.length < 4)
    notes.push(
      `${ofCount(classes.length, classes.length)} classes: DLR needs 3, targeted DLR 4, and the margin takes their place`,
    );
  const isFault =
    batchStatistics.length > 0 || lowestPixel < 0 || highestPixel > 1 || (looksLikeProbabilities && !isTail);
  const verdict = problems.length === 0 ? 'pass' : isFault ? 'fail' : 'warn';
  return check('C11', verdict, [...problems, ...notes].join('; '), {
    advice: advice.length > 0 ? advice.join('; ') : undefined,
    data: { tail, batchStatistics, isNormalized, lowestPixel, highestPixel },
  });
}

/** C22: whether the model holds something that a standard attack was not made for. */
export function adaptiveAttacks({ inspection, masks }: MaskSearch): HonestyCheck {
  const { random, cuts, quantized, oscillations } = inspection;
  const parts = [
    ...random.map(({ node }) => `randomness (${node})`),
    ...[...cuts, ...quantized].map(({ node }) => `discretisation (${node})`),
    ...oscillations.map(({ node }) => `an oscillation (${node})`),
  ];
  if (parts.length === 0)
    return check('C22', 'not applicable', 'the graph shows no noise, discretisation or oscillation');
  const left = masks.filter(({ repair }) => repair === undefined);
  return check('C22', 'warn', `the model contains ${listed(parts)}`, {
    advice: `standard attacks do not know these: ${left.length === 0 ? 'they were repaired for gradients, but' : ''} attack this very defence with an attack made for it (Tramèr et al. 2020), and try attacks without gradients`,
  });
}
