/** @file Integrated gradients in expectation: points drawn on the ways from a background set to the image. */
import { gradient } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { rows, type Tensor, takeRows, zeros } from '../tensor.ts';
import { valuesAt } from './at-images.ts';
import { checkBackground } from './background.ts';
import { checkCount } from './check-count.ts';
import { explained, keyOfExplained } from './explained.ts';
import { completenessOf, type Explain, type Task } from './explanation.ts';
import { between } from './path.ts';
import { overPoints, type Points } from './points.ts';
import { estimateMean, relativeErrors } from './standard-error.ts';

interface OverBackground {
  readonly background: Tensor;
  readonly samples: number;
  readonly local: boolean;
}

export interface ExpectedGradients extends OverBackground {
  readonly name: 'expected-gradients';
}

export interface GradientShap extends OverBackground {
  readonly name: 'gradient-shap';
  readonly sigma: number;
}

interface BackgroundOptions {
  /** [M, ...input shape]: the images that stand for the absence of evidence. */
  background: Tensor;
  /** Points, each on the way from a background image drawn at random. Default 200. */
  samples?: number;
  /** The mean gradient itself, not multiplied by image − background. Default false. */
  local?: boolean;
}

/**
 * E[(x − x′) ⊙ ∂f/∂x at x′ + α (x − x′)], x′ drawn from the background and α uniformly from [0, 1]: integrated gradients
 * with the background as baselines, an estimate of Shapley values. Erion et al. 2021, eq. 3.
 *
 * The attributions add up to output − baseOutput, the mean over the background, but for chance: the certificate has
 * both the error of the sum and the standard error.
 *
 * @example
 * expectedGradients({ background: rows(trainingImages, 0, 100) });
 */
export const expectedGradients = ({
  background,
  samples = 200,
  local = false,
}: BackgroundOptions): ExpectedGradients => ({ name: 'expected-gradients', background, samples, local });

/**
 * Expected gradients of noisy copies of the image, a new one for each point: x + N(0, sigma²) takes the place of x in both
 * factors. So captum's GradientShap has it (Lundberg & Lee 2017 is the name's source); with sigma 0 it is
 * `expectedGradients`, which is also what shap's GradientExplainer computes.
 */
export const gradientShap = ({
  background,
  samples = 200,
  local = false,
  sigma = 0.1,
}: BackgroundOptions & {
  /** Standard deviation of the noise in pixel units. Default 0.1. */
  sigma?: number;
}): GradientShap => ({ name: 'gradient-shap', background, samples, local, sigma });

export const explainExpectedGradients: Explain<ExpectedGradients> = (task, method) => explain(task, method, 0);

export function explainGradientShap(task: Task, method: GradientShap) {
  if (!(method.sigma >= 0 && method.sigma < Number.POSITIVE_INFINITY))
    throw new UsageError(`sigma must be 0 or more, not ${method.sigma}`);
  return explain(task, method, method.sigma);
}

async function explain(task: Task, method: ExpectedGradients | GradientShap, sigma: number) {
  const { name, background, samples, local } = method;
  const { classifier, images, targetRows, of } = task;
  checkCount('samples', samples);
  checkBackground(classifier, background, `${name} starts at one of them`);
  if (task.layer !== undefined)
    throw new UsageError(`${name} attributes to the input: leave out the layer '${task.layer}'`);
  const count = images.shape[0]!;
  const attributions = zeros(images.shape);
  const standardError = new Array<number>(count);
  await overPoints(
    task,
    {
      key: `${local ? 'gradient' : 'share'} of ${keyOfExplained(of)} from a background${sigma > 0 ? ' under noise' : ''}`,
      stage: name,
      passes: { forwards: 1, backwards: 1 },
      counts: new Int32Array(count).fill(samples),
      images: { x: images, target: targetRows },
      points: drawnPoints(task, background, sigma),
      write: ({ g, model }, { x, target, start, at, noise }) => {
        const end = noise ? g.add(x!, noise) : x!;
        const point = between(g, start!, end, at!);
        const [slope] = gradient(g, { of: explained(g, model(point), target!, of), wrt: [point] });
        return local ? slope! : g.mul(slope!, g.sub(end, start!));
      },
      powers: 1,
    },
    (image, moments) => {
      const estimated = estimateMean(moments);
      attributions.data.set(estimated.values, image * estimated.values.length);
      standardError[image] = relativeErrors(estimated);
    },
  );
  const output = await valuesAt(task);
  const baseOutput = await meanOverBackground(task, background);
  const differences = output.map((value, i) => value - baseOutput[i]!);
  return {
    attributions,
    output,
    baseOutput,
    certificate: {
      ...(!local && { completeness: completenessOf(attributions, differences) }),
      ...(samples > 1 && { standardError }),
    },
  };
}

/** For each point where it starts, how far it goes, and the noise at the end of its way. */
function drawnPoints({ seed, imageNumbers, images }: Task, background: Tensor, sigma: number): Points['points'] {
  const random = (what: string, image: number, point: number) =>
    createRandom(seed, 'expected gradients', what, imageNumbers[image]!, point);
  const shape = images.shape.slice(1);
  return {
    start: {
      shape,
      fill: (into, image, point) => {
        const drawn = random('background', image, point).integer(background.shape[0]!);
        into.set(rows(background, drawn, drawn + 1).data);
      },
    },
    at: { shape: [1], fill: (into, image, point) => random('place', image, point).fillUniform(into, 0, 1) },
    ...(sigma > 0 && {
      noise: { shape, fill: (into, image, point) => random('noise', image, point).fillNormal(into, 0, sigma) },
    }),
  };
}

/** What is explained of each image, averaged over the background; once for all images that ask the same of it. */
async function meanOverBackground(task: Task, background: Tensor): Promise<Float32Array> {
  const { targetRows } = task;
  const size = background.shape[0]!;
  const means = new Map<string, number>();
  const result = new Float32Array(targetRows.shape[0]!);
  for (let i = 0; i < result.length; i++) {
    const key = rows(targetRows, i, i + 1).data.join();
    if (!means.has(key)) {
      const asked = takeRows(targetRows, new Array<number>(size).fill(i));
      const values = await valuesAt({ ...task, targetRows: asked }, background);
      means.set(key, values.reduce((a, b) => a + b, 0) / size);
    }
    result[i] = means.get(key)!;
  }
  return result;
}
