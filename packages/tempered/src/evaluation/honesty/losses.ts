/** @file C7: whether the cross-entropy sees what the margin sees. */
import { check, type HonestyCheck, ofCount, percent } from './check.ts';
import type { MaskSearch } from './masks.ts';

/** Images that the same attack broke by either loss. */
export interface LossComparison {
  readonly count: number;
  readonly crossEntropy: number;
  readonly margin: number;
}

/** Points by which attacks on plain networks differ between losses, and more. */
const AGREEMENT = 0.1;

export function lossesAgree({ masks, gradients }: MaskSearch, compared: LossComparison | undefined): HonestyCheck {
  const { zero, count } = gradients.crossEntropy;
  const broken = compared
    ? `PGD breaks ${compared.crossEntropy} of ${compared.count} images by cross-entropy, ${compared.margin} by the margin`
    : '';
  const evidence = [
    `the gradient of cross-entropy is exactly 0 at ${ofCount(zero, count)} images, that of the margin at ${gradients.margin.zero}`,
    broken,
  ]
    .filter(Boolean)
    .join('; ');
  const data = { ...gradients, ...compared };
  const underflow = masks.find(({ kind }) => kind === 'loss underflow');
  if (underflow)
    return check('C7', 'fail', evidence, {
      advice: `${underflow.repair?.says ?? 'attack the margin or DLR'}; attacks by cross-entropy alone are blind here`,
      data,
    });
  if (zero === count && gradients.margin.zero === count)
    return check('C7', 'not applicable', 'neither loss has a gradient on the model as it is: see C8', { data });
  if (compared === undefined || compared.count === 0) return check('C7', 'pass', evidence, { data });
  const gap = (compared.margin - compared.crossEntropy) / compared.count;
  if (Math.abs(gap) <= AGREEMENT) return check('C7', 'pass', evidence, { data });
  return check('C7', 'warn', `${evidence}: ${percent(Math.abs(gap))} apart`, {
    advice: `attack with ${gap > 0 ? 'the margin or DLR' : 'cross-entropy'} too, and count the worst of both for each image`,
    data,
  });
}
