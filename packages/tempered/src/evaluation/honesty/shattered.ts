/** @file Which other gradient leads further than one that is shattered: tried on the model itself. */
import { Classifier } from '../../models/classifier.ts';
import type { GraphInspection } from '../../models/inspect-graph.ts';
import { type GradientRepair, repaired } from '../../models/repair.ts';
import { gradientsAt, movedWithin, type Sample, valuesAt } from './gradients.ts';

export interface Choice {
  /** The node that is left out; undefined for smoothing, which blames none. */
  readonly node?: string;
  readonly says: string;
  readonly model: GradientRepair;
  /** Mean rise of the margin by one step along this gradient. */
  readonly rise: number;
}

/** Length of the step that candidates compete in, and deviations of the smoothing noise, in pixel units. */
const STEP = 4 / 255;
const DEVIATIONS = [1 / 255, 4 / 255, 16 / 255];
const DRAWS = 8;

/** How much further a step has to lead before a model's own gradient is left aside. */
const WORTHWHILE = 1.25;

/**
 * Of gradients that leave out oscillating nodes, pass a Clip straight through, or are smoothed by Gaussian noise on the
 * input (Athalye et al. 2018, §4), the one along which a single step raises the margin most; undefined when none leads
 * much further than the model's own.
 */
export async function chooseDetour(
  classifier: Classifier,
  sample: Sample,
  { oscillations, clips }: GraphInspection,
): Promise<Choice | undefined> {
  const average = classifier.description.repair?.average;
  const left = oscillations.filter(({ isBypassed }) => isBypassed);
  const bypasses = [
    ...left.map(({ node, detour }) => ({ node, says: 'gradients leave it out', detours: [detour] })),
    ...clips.map(({ node, detour }) => ({ node, says: 'its gradient is taken straight through', detours: [detour] })),
    ...(left.length > 1
      ? [
          {
            node: left.map(({ node }) => node).join(', '),
            says: 'gradients leave them out',
            detours: left.map(({ detour }) => detour),
          },
        ]
      : []),
  ].map(({ node, says, detours }) => ({ node, says, model: { straightThrough: detours } satisfies GradientRepair }));
  const smoothed = DEVIATIONS.map((deviation) => ({
    says: `gradients are smoothed by noise of deviation ${Number((255 * deviation).toFixed(1))}/255`,
    model: { average: { draws: Math.max(DRAWS, average?.draws ?? 0), deviation } } satisfies GradientRepair,
  }));
  const own = await riseAlong(classifier, classifier, sample);
  let best: Choice | undefined;
  for (const candidate of [...bypasses, ...smoothed]) {
    const model = repaired(classifier.description, candidate.model);
    const guide = new Classifier(model, classifier.runtime, classifier.parameters);
    const rise = await riseAlong(classifier, guide, sample).finally(() => guide.release());
    if (rise > WORTHWHILE * Math.max(0, best?.rise ?? own)) best = { ...candidate, rise };
  }
  return best;
}

/** Mean rise of the margin of `judge` by a step along the signs of the gradient of `guide`. */
async function riseAlong(judge: Classifier, guide: Classifier, sample: Sample): Promise<number> {
  const { gradient } = await gradientsAt(guide, sample, 'margin');
  const moved = movedWithin(sample.images, gradient.data.map(Math.sign), STEP);
  judge.seedNoise(0);
  const before = await valuesAt(judge, sample, 'margin');
  judge.seedNoise(0);
  const after = await valuesAt(judge, { ...sample, images: moved }, 'margin');
  return after.reduce((sum, value, i) => sum + value - before[i]!, 0) / after.length;
}
