/** @file Trainings on occluded images: which there are, and one of them. */
import { naturalAccuracy } from '../../evaluation/accuracy.ts';
import { bernoulliMasks, MODES, type Mode, replacedIn } from '../../evaluation/roar/bands.ts';
import { channelMeans, occluded, truncatedToByte } from '../../evaluation/roar/occlusion.ts';
import { createModel } from '../../models/architectures/index.ts';
import { Classifier } from '../../models/classifier.ts';
import { createRandom } from '../../random.ts';
import type { RoarProtocol } from '../../report/roar-result.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { train } from '../../training/train.ts';
import type { RoarConfiguration } from './configuration.ts';
import type { RoarContext } from './context.ts';
import { type Chooser, type RoarSplit, readBands } from './maps.ts';
import { modelPlans, trainingOf } from './models.ts';

/** A point of a curve: what was replaced. */
export type Point =
  | {
      readonly images: 'occluded';
      readonly mode: Mode;
      readonly method: Chooser;
      readonly model: string;
      readonly percentile: number;
    }
  /** Nothing is replaced. */
  | { readonly images: 'whole' }
  /** Everything is. */
  | { readonly images: 'empty' };

export interface Retraining {
  readonly protocol: RoarProtocol;
  /** From 1. */
  readonly repetition: number;
  readonly point: Point;
}

export const repetitionsOf = ({ repeats, seeds }: RoarConfiguration, protocol: RoarProtocol): number =>
  protocol === 'published' ? repeats : seeds;

/**
 * The points of a protocol. Chance needs no model, and no score looks at more random masks than those beside the standard
 * model: they are trained once. The repaired protocol measures both ends of the curves.
 */
export function pointsOf(configuration: RoarConfiguration, protocol: RoarProtocol): Point[] {
  const choosers: { model: string; method: Chooser }[] = [
    { model: 'standard', method: 'random' },
    ...modelPlans(configuration).flatMap(({ name }) =>
      configuration.methods.map((method) => ({ model: name, method })),
    ),
  ];
  const inside = choosers.flatMap((chooser) =>
    MODES.flatMap((mode) =>
      configuration.percentiles.map((percentile): Point => ({ images: 'occluded', mode, ...chooser, percentile })),
    ),
  );
  return protocol === 'published' ? inside : [{ images: 'whole' }, { images: 'empty' }, ...inside];
}

/** All trainings, one repetition of everything after the other: whatever is finished is worth looking at. */
export function retrainings(configuration: RoarConfiguration): Retraining[] {
  const { protocols, repeats, seeds } = configuration;
  return Array.from({ length: Math.max(repeats, seeds) }, (_, i) => i + 1).flatMap((repetition) =>
    protocols
      .filter((protocol) => repetition <= repetitionsOf(configuration, protocol))
      .flatMap((protocol) => pointsOf(configuration, protocol).map((point) => ({ protocol, repetition, point }))),
  );
}

/** The name of a training's record. */
export function nameOf({ protocol, repetition, point }: Retraining): string {
  const what =
    point.images === 'occluded' ? `${point.mode}-${point.model}-${point.method}-p${point.percentile}` : point.images;
  return `${protocol}-${what}-${repetition}`;
}

/** Trains a new network on occluded images and tests it on occluded ones, or reads the record of an earlier start. */
export async function retrain(
  context: RoarContext & { readonly fill: readonly number[] },
  each: Retraining,
  runtime: Runtime,
): Promise<number> {
  const { run, configuration, sets, fill, signal } = context;
  const { protocol, repetition } = each;
  const name = nameOf(each);
  const { accuracy } = await run.step(name, async () => {
    const started = performance.now();
    const replaced = await replacedPixels(context, each);
    // Repetitions of the repaired protocol are the same for all points, so that their differences are those of the images.
    const seeds = createRandom(configuration.seed, 'retraining');
    const seed = (protocol === 'published' ? seeds.split(name) : seeds.split(repetition)).bits();
    const { architecture, training } = configuration;
    const { imageShape, classes } = sets.train;
    const { last } = await train({
      ...trainingOf(configuration, occluded(sets.train, replaced.train, fill)),
      runtime,
      model: createModel({ architecture, inputShape: imageShape, classes, seed }),
      epochs: training.epochs,
      shuffle: protocol === 'repaired',
      seed,
      signal,
    });
    // Kim et al. write the mean into an array of bytes when they occlude the test images.
    const testFill = protocol === 'published' ? fill.map(truncatedToByte) : fill;
    const classifier = new Classifier(last, runtime);
    try {
      const found = await naturalAccuracy(classifier, occluded(sets.test, replaced.test, testFill), { signal });
      return { accuracy: found.accuracy, seconds: (performance.now() - started) / 1000 };
    } finally {
      await classifier.release();
    }
  });
  return accuracy;
}

/** The colour that replaces pixels: the mean of each channel over the training images. */
export const fillOf = ({ sets }: Pick<RoarContext, 'sets'>): number[] => channelMeans(sets.train);

/** Marks the pixels of every image that are replaced. */
async function replacedPixels(
  context: RoarContext,
  { protocol, point }: Retraining,
): Promise<Record<RoarSplit, Uint8Array>> {
  const { sets, configuration } = context;
  const [, height, width] = sets.train.imageShape;
  const area = height * width;
  const bySplit = (marks: (split: RoarSplit) => Uint8Array): Record<RoarSplit, Uint8Array> => ({
    train: marks('train'),
    test: marks('test'),
  });
  if (point.images !== 'occluded') {
    const mark = Number(point.images === 'empty');
    return bySplit((split) => new Uint8Array(sets[split].count * area).fill(mark));
  }
  const { mode, method, model, percentile } = point;
  if (protocol === 'published' && method === 'random') {
    const random = createRandom(configuration.seed, 'masks', mode, percentile);
    return bySplit((split) =>
      bernoulliMasks(sets[split].count, { area, percentile, mode, random: random.split(split) }),
    );
  }
  const bands = await readBands(context, { model, method, protocol });
  const index = configuration.percentiles.indexOf(percentile);
  return bySplit((split) => replacedIn(bands[split], mode, index));
}
