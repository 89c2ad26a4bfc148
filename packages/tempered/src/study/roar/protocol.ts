/** @file How a study of ROAR and KAR was done, in words for its report. */
import type { StepSize } from '../../attacks/pgd.ts';
import { FEWEST_DRAWN } from '../../evaluation/roar/correlation.ts';
import { count, counted, epsilon, list } from '../../report/format.ts';
import { LOSS_LABELS, METHOD_LABELS } from '../../report/roar-format.ts';
import { ROAR_NORMS, type RoarResult } from '../../report/roar-result.ts';
import type { RoarConfiguration } from './configuration.ts';

const stepOf = (size: StepSize): string =>
  'absolute' in size ? epsilon(size.absolute) : `${Number(size.relative.toPrecision(3))} ε`;

/** What so few seeds allow. */
function bandsInWords(seeds: number): string {
  if (seeds < 3) return 'with fewer than 3 seeds, no bands';
  const ofCorrelations =
    seeds < FEWEST_DRAWN
      ? `none of correlations with fewer than ${FEWEST_DRAWN} seeds`
      : 'those of correlations 95% of 2000 draws of the seeds with replacement';
  return `bands of scores are Student’s 95% intervals over the seeds; ${ofCorrelations}`;
}

export function protocolOf(configuration: RoarConfiguration, fill: readonly number[]): RoarResult['protocol'] {
  const { architecture, modelEpochs, training, adversarial, evaluation, strengths, losses, methods, percentiles } =
    configuration;
  const { protocols, repeats, seeds, ranked, seed } = configuration;
  const { epochs, batchSize, learningRate, schedule } = training;
  const radii = ROAR_NORMS.filter((norm) => strengths[norm].length > 0).map(
    (norm) =>
      `${norm === 'l2' ? 'ℓ₂' : 'ℓ∞'} ε = ${strengths[norm].map(epsilon).join(', ')} in steps of ${stepOf(adversarial.stepSize[norm])}`,
  );
  const rankings = {
    pixel: 'pixels, by the sum over channels of |attribution|',
    'sub-pixel-squared': 'every channel of a pixel by itself, by the squared attribution',
    'sub-pixel-signed': 'every channel of a pixel by itself, by the signed attribution',
  };
  return [
    { name: 'Networks', value: `${architecture}, for the models that are explained and for those that are retrained` },
    {
      name: 'Training',
      value: `${counted(modelEpochs, 'epoch')} for the models that are explained, ${epochs} for those that are retrained, in batches of ${batchSize}, Adam, rate ${learningRate} ${schedule === 'cosine' ? 'falling along a cosine' : 'throughout'}, no augmentation; the last epoch counts`,
    },
    {
      name: 'Adversarial training',
      value: `every batch replaced by PGD-${adversarial.steps} examples from ${adversarial.randomStart ? 'a random start' : 'the image itself'}, ${radii.join('; ')}${adversarial.warmup > 0 ? `, growing from 0 over the first ${Math.round(100 * adversarial.warmup)}% of the training` : ''}; attack losses: ${list(losses.map((loss) => LOSS_LABELS[loss]))}${losses.includes('cw') ? ', the latter −relu(f_y − max_k (1 − y_k) f_k + 500), whose rival is never below 0' : ''}; images in file order, the same initial weights for all models`,
    },
    {
      name: 'Accuracy under attack',
      value: `all test images, ℓ₂ ε = ${epsilon(evaluation.epsilon)}, PGD-${evaluation.steps} in steps of ${epsilon(evaluation.stepSize)} from the image itself; images that are wrong without attack count as wrong`,
    },
    {
      name: 'Maps',
      value: `${list(methods.map((method) => METHOD_LABELS[method]))}: of the gradient of the cross-entropy at the predicted class, Saliency takes the magnitude and Grad*Input the product with the image on a scale of [−1, 1]; computed once on the unoccluded images of both splits by the model that is explained`,
    },
    {
      name: 'Occlusion',
      value: `at ${percentiles.join(', ')} per cent: ROAR replaces that share, the pixels that matter most; KAR all but that share; by the mean of each channel over the training images, ${fill.map((value) => (255 * value).toFixed(2)).join(', ')} of 255; training and test images by maps of the same model`,
    },
    {
      name: 'Scores',
      value:
        'area between the curve of random masks and that of the map over shares from 0 to 1 (trapezoids), positive where the map is better than chance; the random masks are those beside the standard model; what stands at the ends of the curves cancels',
    },
    ...(protocols.includes('published')
      ? [
          {
            name: 'Published protocol',
            value: `uniform noise below 1e-8 against ties; pixels above (ROAR) or below (KAR) the (100 − p)-th percentile of the map are replaced; random masks by a throw for each pixel; the mean cut to whole 255ths on test images; file order in every epoch; ${repeats === 1 ? 'one training a point' : `${count(repeats)} trainings a point, each with weights of its own, of which the mean counts`}; trained once for each point of random masks, not once more beside every model, since no score looks at those`,
          },
        ]
      : []),
    ...(protocols.includes('repaired')
      ? [
          {
            name: 'Repaired protocol',
            value: `ranked are ${rankings[ranked]}; exactly ⌊p n / 100⌋ of n are what matters, ties in an order drawn once for all models; random masks from one order of the pixels of each image, the same for all percentiles, models and seeds; the same mean on both splits; images shuffled; ${counted(seeds, 'seed')}, each with the same weights and order for all points; accuracy on whole and on empty images measured; ${bandsInWords(seeds)}`,
          },
        ]
      : []),
    { name: 'Seed', value: String(seed) },
  ];
}
