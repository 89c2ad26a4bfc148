/** @file Names and figures of a study of ROAR and KAR as people read them. */
import { norm as formatNorm } from './format.ts';
import type { RoarAxis, RoarLoss, RoarMethod, RoarModel, RoarProtocol, RoarSeries } from './roar-result.ts';

export const METHOD_LABELS: Readonly<Record<RoarMethod, string>> = {
  saliency: 'Saliency',
  'gradient-times-input': 'Grad*Input',
};

export const LOSS_LABELS: Readonly<Record<RoarLoss, string>> = { xent: 'cross-entropy', cw: 'CW' };

export const PROTOCOL_LABELS: Readonly<Record<RoarProtocol, string>> = {
  published: 'Published protocol',
  repaired: 'Repaired protocol',
};

export const AXIS_LABELS: Readonly<Record<RoarAxis, string>> = {
  strength: 'strength of adversarial training, ε over the largest ε',
  testAccuracy: 'test accuracy',
  trainAccuracy: 'training accuracy',
  adversarialAccuracy: 'accuracy under attack',
};

/** As in the figures of Kim et al.: "ℓ₂ GX". */
export const seriesLabel = ({ norm, method }: Pick<RoarSeries, 'norm' | 'method'>): string =>
  `${formatNorm(norm)} ${method === 'saliency' ? 'G' : 'GX'}`;

/** "ℓ∞ ε = 0.1", "standard". */
export const modelLabel = ({ norm, loss, epsilon }: RoarModel, epsilonText: (value: number) => string): string =>
  norm === undefined ? 'standard' : `${formatNorm(norm)} ${epsilonText(epsilon)}${loss === 'cw' ? ' (CW)' : ''}`;

/** A correlation with the digits of the published table. */
export const correlation = (value: number | null): string =>
  value === null ? '–' : value.toFixed(4).replace('-', '−');

/** A score with its sign, to four decimals. */
export const score = (value: number): string => value.toFixed(4).replace('-', '−');
