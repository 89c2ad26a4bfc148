/** @file What is left of a prediction when the image is shown through its map. */
import { explained } from '../../attribution/explained.ts';
import { oneHot } from '../../models/batching.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';
import { pixelRelevance } from './ranking.ts';
import { runVariants } from './variants.ts';

export interface AverageDrop {
  readonly name: 'average-drop';
}

export interface AverageIncrease {
  readonly name: 'average-increase';
}

export interface AverageGain {
  readonly name: 'average-gain';
}

/**
 * max(0, Y − O) / Y, where Y is the probability of the class on the image and O that on the image multiplied by the map.
 * Chattopadhay et al. 2018, §4.1. The map of a pixel is its positive relevance over the largest one; for slopes, its
 * magnitude. Low for a good map.
 */
export const averageDrop = (): AverageDrop => ({ name: 'average-drop' });

/** Share of the images with O > Y. Chattopadhay et al. 2018. High for a good map. */
export const averageIncrease = (): AverageIncrease => ({ name: 'average-increase' });

/** max(0, O − Y) / (1 − Y). Zhang et al. 2024 (Opti-CAM), eq. 15. High for a good map. */
export const averageGain = (): AverageGain => ({ name: 'average-gain' });

const scores: Readonly<
  Record<(AverageDrop | AverageIncrease | AverageGain)['name'], (y: number, o: number) => number>
> = {
  'average-drop': (y, o) => Math.max(0, y - o) / y,
  'average-increase': (y, o) => Number(o > y),
  'average-gain': (y, o) => (y === 1 ? 0 : Math.max(0, o - y) / (1 - y)),
};

async function score(task: MeasureTask, { name }: AverageDrop | AverageIncrease | AverageGain): Promise<Float64Array> {
  const { whole, shown } = await runVariants(task, {
    key: 'shown through its map',
    stage: name,
    count: 1,
    ofImages: {
      x: task.images,
      relevance: pixelRelevance(task.attributions, task.ranking),
      target: oneHot(task.targets, task.classifier.classes.length),
    },
    write: ({ g, model }, { x, relevance, target }) => {
      const positive = g.relu(relevance!);
      const largest = g.reduceMax(positive, [1, 2, 3], true);
      // A map without positive relevance shows nothing.
      const map = g.div(positive, g.where(g.greater(largest, g.constant(0)), largest, g.constant(1)));
      return {
        whole: explained(g, model(x!), target!, 'probability'),
        shown: explained(g, model(g.mul(x!, map)), target!, 'probability'),
      };
    },
  });
  return Float64Array.from(whole!.data, (y, i) => scores[name](y, shown!.data[i]!));
}

const SHOWN =
  'Y is the probability of the class on the image, O that on the image times its map (positive relevance over the largest; magnitude for slopes)';

const common: Pick<
  MeasureKind<AverageDrop | AverageIncrease | AverageGain>,
  'score' | 'needs' | 'control' | 'acrossModels'
> = {
  score,
  needs: [],
  control: () => 'object',
  acrossModels: () => false,
};

export const averageDropKind: MeasureKind<AverageDrop> = {
  ...common,
  summary: 'how much of the probability is lost when the image is shown through its map',
  better: () => 'lower',
  over: 'mean',
  protocol: () => `max(0, Y − O) / Y; ${SHOWN} (Chattopadhay et al. 2018)`,
};

export const averageIncreaseKind: MeasureKind<AverageIncrease> = {
  ...common,
  summary: 'how often the probability rises when the image is shown through its map',
  better: () => 'higher',
  over: 'share',
  protocol: () => `share of images with O > Y; ${SHOWN} (Chattopadhay et al. 2018)`,
};

export const averageGainKind: MeasureKind<AverageGain> = {
  ...common,
  summary: 'how much of what is missing is gained when the image is shown through its map',
  better: () => 'higher',
  over: 'mean',
  protocol: () => `max(0, O − Y) / (1 − Y); ${SHOWN} (Zhang et al. 2024)`,
};
