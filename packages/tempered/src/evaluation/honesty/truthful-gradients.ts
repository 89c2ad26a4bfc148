/** @file C8: whether there are gradients, and whether the model does what they promise. */
import { check, type HonestyCheck, ofCount, percent } from './check.ts';
import { type MaskSearch, SHATTERED } from './masks.ts';

export function gradientsTellTheTruth({ masks, gradients, shattering, inspection }: MaskSearch): HonestyCheck {
  const { zero, notFinite, count } = gradients.margin;
  const infinite = notFinite + gradients.crossEntropy.notFinite;
  const steps = shattering.map(
    ({ step, alongGradient }) => `${percent(alongGradient)} over ${Number((255 * step).toFixed(1))}/255`,
  );
  const evidence = [
    `no gradient at ${ofCount(zero, count)} images`,
    infinite > 0 && `gradients that are not finite at ${infinite}`,
    steps.length > 0 && `what the gradient promises is missed by ${steps.join(' and ')} (median)`,
  ]
    .filter(Boolean)
    .join('; ');
  const data = { ...gradients, shattering };
  const named = masks.filter(({ kind }) => kind === 'shattered gradients' || kind === 'vanishing gradients');
  if (named.length > 0) {
    const what = named.map((mask) => `${mask.kind}: ${mask.what}`).join('; ');
    const helped = named.flatMap(({ repair }) => repair?.says ?? []);
    return check('C8', 'fail', `${evidence}; ${what}`, {
      advice: helped.length > 0 ? helped.join('; ') : 'use attacks without gradients, and transfer from another model',
      data,
    });
  }
  if (infinite > 0 || zero > 0.1 * count || !inspection.hasGradient)
    return check('C8', 'fail', evidence, { advice: 'see C10 for the nodes that cut the gradient', data });
  const worst = Math.max(0, ...shattering.map(({ alongGradient }) => alongGradient));
  if (zero > 0 || worst >= SHATTERED)
    return check('C8', 'warn', evidence, { advice: 'compare with an attack without gradients (square)', data });
  return check('C8', 'pass', evidence, { data });
}
