/** @file How a study was done, in words for its report. */
import type { StudyResult } from '../report/study-result.ts';
import type { StudyConfiguration } from './configuration.ts';

/** What was done, where that can be less than what was asked for: a small data set has fewer images. */
interface Done {
  /** Norm and training ε, in words. */
  readonly radius: string;
  /** Training images kept apart to choose the epoch. */
  readonly heldCount: number;
  readonly bestEpochs: { readonly standard: number; readonly robust: number };
  readonly attackedCount: number;
  readonly explainedCount: number;
  /** Whether the data set knows where its objects are. */
  readonly masked: boolean;
}

export function protocolOf(
  configuration: StudyConfiguration,
  { radius, heldCount, bestEpochs, attackedCount, explainedCount, masked }: Done,
): StudyResult['protocol'] {
  const { architecture, epochs, batchSize, learningRate, padding, flip, trainingSteps, warmup } = configuration;
  const { evaluationSteps, samples, sigma, pathSteps, seed } = configuration;
  const augmentation = [padding > 0 && `crops with ${padding} pixels of padding`, flip && 'flips']
    .filter(Boolean)
    .join(', ');
  return [
    { name: 'Architecture', value: `${architecture}, the same initial weights for both models` },
    {
      name: 'Training',
      value: `${epochs} epochs in batches of ${batchSize}, Adam, rate ${learningRate} falling along a cosine, ${augmentation || 'no augmentation'}`,
    },
    {
      name: 'Adversarial training',
      value: `every batch replaced by PGD-${trainingSteps} examples, random start, ${radius}, growing from 0 over the first ${Math.round(100 * warmup)}% of the training; batch normalisation, where there is any, by its running statistics while the examples are made`,
    },
    {
      name: 'Model choice',
      value: `best of the epochs on ${heldCount} held-out training images, by natural accuracy (standard: epoch ${bestEpochs.standard}) or the mean of natural and PGD-10 accuracy (robust: epoch ${bestEpochs.robust})`,
    },
    {
      name: 'Accuracy under attack',
      value: `PGD-${evaluationSteps}, cross-entropy, step 2.5 ε / ${evaluationSteps}, one random start, last iterate, first ${attackedCount} test images in file order; images that are wrong without attack count as wrong; 95% Clopper–Pearson intervals`,
    },
    {
      name: 'Explanations',
      value: `of the true class's logit: gradient; SmoothGrad with ${samples} samples, σ = ${sigma} of the image's range; integrated gradients from black, ${pathSteps} midpoints`,
    },
    ...(masked
      ? [
          {
            name: 'Relevance mass, pointing game',
            value: `sum over channels of |attribution|, first ${explainedCount} test images; mass with a normal 95% interval of the mean; a map of zeros has no mass inside and misses`,
          },
        ]
      : []),
    { name: 'Seed', value: String(seed) },
  ];
}
