/** @file Deletion and insertion: how fast the class goes and comes with the pixels that a map ranks first. */
import { UsageError } from '../../errors.ts';
import { FILL_IN_WORDS, type Fill, fillFor } from './fill.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';
import { pixelPlaces } from './ranking.ts';
import { areas, replacementCurve, stepsOf, type Watched } from './replacement.ts';

interface CurveSettings {
  readonly step: number;
  readonly fill: Fill;
  readonly of: Watched;
}

export interface Deletion extends CurveSettings {
  readonly name: 'deletion';
}

export interface Insertion extends CurveSettings {
  readonly name: 'insertion';
}

export interface CurveOptions {
  /** Share of the pixels in a step. Default 0.04; the code of RISE takes a row of pixels, 1/224. */
  step?: number;
  /** Default: black for deletion, blurred for insertion. */
  fill?: Fill;
  /** Default: probability. */
  of?: Watched;
}

/**
 * Area under the probability of the class as the most relevant pixels are taken away; low for a good map. Petsiuk et al.
 * 2018 (RISE), §4.3: pixels with all their channels, from the image to the fill, mean over the way by the trapezoid rule.
 */
export const deletion = ({ step = 0.04, fill = 'black', of = 'probability' }: CurveOptions = {}): Deletion => ({
  name: 'deletion',
  ...checked({ step, fill, of }),
});

/** The same from the fill to the image, as the most relevant pixels are put in; high for a good map. */
export const insertion = ({ step = 0.04, fill = 'blurred', of = 'probability' }: CurveOptions = {}): Insertion => ({
  name: 'insertion',
  ...checked({ step, fill, of }),
});

function checked(settings: CurveSettings): CurveSettings {
  checkStep(settings.step);
  return settings;
}

/** Throws a UsageError unless a step is a share above 0. */
export function checkStep(step: number): void {
  if (!(step > 0 && step <= 1))
    throw new UsageError(`a step must be a share of the pixels, above 0 and at most 1, not ${step}`);
}

async function area(task: MeasureTask, { name, step, fill, of }: Deletion | Insertion): Promise<Float64Array> {
  const { places, count } = pixelPlaces(task);
  const replaced = stepsOf(count, step);
  const filled = fillFor(task, fill);
  const [from, to] = name === 'deletion' ? [task.images, filled] : [filled, task.images];
  return areas(await replacementCurve(task, { from, to, places, replaced, of, stage: name }), replaced);
}

const inSteps = ({ step, of }: CurveSettings) =>
  `mean ${of} of the class over steps of ${(100 * step).toFixed(1)}% of the pixels, by the trapezoid rule; ties in random order (Petsiuk et al. 2018)`;

export const deletionKind: MeasureKind<Deletion> = {
  summary: 'how fast the class goes when the most relevant pixels go',
  score: area,
  better: () => 'lower',
  over: 'mean',
  needs: [],
  acrossModels: () => false,
  control: () => 'object',
  protocol: (measure) =>
    `the most relevant pixels first replaced by ${FILL_IN_WORDS[measure.fill]}; ${inSteps(measure)}`,
};

export const insertionKind: MeasureKind<Insertion> = {
  summary: 'how fast the class comes when the most relevant pixels come',
  score: area,
  better: () => 'higher',
  over: 'mean',
  needs: [],
  acrossModels: () => false,
  control: () => 'object',
  protocol: (measure) => `the most relevant pixels first put into ${FILL_IN_WORDS[measure.fill]}; ${inSteps(measure)}`,
};
