/** @file Correlations of ROAR and KAR scores as Kim, Seo & Jeon 2019 published them: CIFAR-10, 21 models a series. */
import type { Mode } from '../evaluation/roar/bands.ts';
import type { RoarAxis, RoarLoss, RoarSeries } from './roar-result.ts';

interface Published {
  readonly pearson: number;
  readonly spearman: number;
}

/** Columns of the table below. */
const COLUMNS = ['l2 gradient-times-input', 'linf gradient-times-input', 'l2 saliency', 'linf saliency'];

/** Pearson and Spearman by series. */
const TABLE: Readonly<Partial<Record<`${Mode} ${RoarLoss} ${RoarAxis}`, readonly (readonly [number, number])[]>>> = {
  'roar xent strength': [
    [0.9488, 0.9455],
    [0.9505, 0.9351],
    [0.9457, 0.9727],
    [0.9114, 0.8857],
  ],
  'kar xent strength': [
    [0.6284, 0.626],
    [0.8911, 0.8766],
    [-0.5294, -0.4623],
    [0.5578, 0.5779],
  ],
  'roar cw strength': [
    [0.9503, 0.9571],
    [0.9744, 0.987],
    [0.96, 0.9883],
    [0.9603, 0.9857],
  ],
  'kar cw strength': [
    [0.5316, 0.5597],
    [0.6957, 0.6701],
    [-0.768, -0.7844],
    [0.2541, 0.2909],
  ],
  'roar xent testAccuracy': [
    [-0.9765, -0.9584],
    [-0.9597, -0.9377],
    [-0.9699, -0.9701],
    [-0.9352, -0.9091],
  ],
  'kar xent testAccuracy': [
    [-0.6505, -0.5623],
    [-0.8261, -0.8169],
    [0.4931, 0.4805],
    [-0.5062, -0.5156],
  ],
  'roar cw testAccuracy': [
    [-0.9636, -0.9273],
    [-0.9585, -0.9701],
    [-0.9686, -0.9597],
    [-0.9402, -0.974],
  ],
  'kar cw testAccuracy': [
    [-0.5565, -0.5922],
    [-0.6547, -0.6494],
    [0.7215, 0.739],
    [-0.1934, -0.2494],
  ],
};

/** What was published for a series; undefined for what was not: the accuracies in training and under attack. */
export function publishedCorrelation(
  series: Pick<RoarSeries, 'mode' | 'loss' | 'against' | 'norm' | 'method'>,
): Published | undefined {
  const { mode, loss, against, norm, method } = series;
  const found = TABLE[`${mode} ${loss} ${against}`]?.[COLUMNS.indexOf(`${norm} ${method}`)];
  return found && { pearson: found[0], spearman: found[1] };
}

/** Limits of the scores in the published figures. */
export const PUBLISHED_LIMITS: Readonly<Record<Mode, readonly [number, number]>> = {
  roar: [0.005, 0.085],
  kar: [-0.04, 0.025],
};
