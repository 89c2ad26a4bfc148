import { checkCount } from '../../attribution/check-count.ts';
import { UsageError } from '../../errors.ts';
import { FILL_IN_WORDS, type Fill, fillFor } from './fill.ts';
import { checkStep } from './insertion-deletion.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';
import { pixelPlaces } from './ranking.ts';
import { replacementCurve, stepsOf, type Watched } from './replacement.ts';

/** Most relevant first, least relevant first, or the second minus the first. */
export type Order = 'morf' | 'lerf' | 'difference';

export const ORDERS = ['morf', 'lerf', 'difference'] as const satisfies readonly Order[];

export interface PixelFlipping {
  readonly name: 'pixel-flipping';
  readonly order: Order;
  readonly region: number;
  readonly step: number;
  readonly until: number;
  readonly fill: Fill;
  readonly of: Watched;
}

export interface PixelFlippingOptions {
  /** Default `morf`. */
  order?: Order;
  /** Pixels along a side of what is flipped at once: 1 is pixel flipping (Bach et al. 2015), more is region perturbation. Default 1. */
  region?: number;
  /** Share of the image between two evaluations. Default 0.04. */
  step?: number;
  /** Share of the image that is flipped in the end. Default 1. */
  until?: number;
  /**
   * Default `mean`. Samek et al. flip to `uniform` noise (here one draw an image, the same for every method), which on
   * `shapes` does as much harm beside the object as on it: the control finds it unfit.
   */
  fill?: Fill;
  /** Default: probability. */
  of?: Watched;
}

/**
 * AOPC, the area over the perturbation curve: mean over the points of the curve, the first included, of how far the score
 * has fallen, 1/(L + 1) Σ_k f(x⁰) − f(xᵏ). Samek et al. 2017, eq. 12. High for `morf`, low for `lerf`; `difference` is
 * AOPC(morf) − AOPC(lerf), the area between the two curves.
 */
export function pixelFlipping({
  order = 'morf',
  region = 1,
  step = 0.04,
  until = 1,
  fill = 'mean',
  of = 'probability',
}: PixelFlippingOptions = {}): PixelFlipping {
  checkStep(step);
  checkCount('region', region);
  if (!(until > 0 && until <= 1)) throw new UsageError(`until must be above 0 and at most 1, not ${until}`);
  return { name: 'pixel-flipping', order, region, step, until, fill, of };
}

async function fallOf(task: MeasureTask, measure: PixelFlipping): Promise<Float64Array> {
  if (measure.order === 'difference') {
    const most = await fallOf(task, { ...measure, order: 'morf' });
    const least = await fallOf(task, { ...measure, order: 'lerf' });
    return most.map((value, i) => value - least[i]!);
  }
  const { order, region, step, until, fill, of } = measure;
  const { places, count } = pixelPlaces(task, region);
  const replaced = stepsOf(count, step, until);
  const curve = await replacementCurve(task, {
    from: task.images,
    to: fillFor(task, fill),
    places: order === 'morf' ? places : { ...places, data: places.data.map((place) => count - 1 - place) },
    replaced,
    of,
    stage: `pixel flipping, ${order}`,
  });
  const points = replaced.length;
  return Float64Array.from({ length: task.images.shape[0]! }, (_, n) => {
    const values = curve.data.subarray(n * points, (n + 1) * points);
    return values.reduce((sum, value) => sum + values[0]! - value, 0) / points;
  });
}

const ORDER_IN_WORDS: Readonly<Record<Order, string>> = {
  morf: 'most relevant first',
  lerf: 'least relevant first',
  difference: 'most relevant first, less the same with the least relevant first',
};

export const pixelFlippingKind: MeasureKind<PixelFlipping> = {
  summary: 'how far the score falls while pixels or regions are replaced (AOPC)',
  score: fallOf,
  better: ({ order }) => (order === 'lerf' ? 'lower' : 'higher'),
  over: 'mean',
  needs: [],
  acrossModels: () => false,
  control: () => 'object',
  protocol: ({ order, region, step, until, fill, of }) =>
    `AOPC (Samek et al. 2017, eq. 12): mean fall of the ${of} of the class over steps of ${(100 * step).toFixed(1)}% up to ${Math.round(100 * until)}% of ${region === 1 ? 'the pixels' : `the squares of ${region}×${region} pixels`}, ${ORDER_IN_WORDS[order]}, replaced by ${FILL_IN_WORDS[fill]}; ties in random order`,
};
