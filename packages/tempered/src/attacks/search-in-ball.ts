import { type OptimizedInput, type OptimizeInputOptions, optimizeInput } from '../optimize/optimize-input.ts';
import { putRows } from '../tensor.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Task } from './search.ts';

type How = Pick<
  OptimizeInputOptions,
  'norm' | 'objective' | 'steps' | 'randomStart' | 'direction' | 'projection' | 'momentum' | 'keep'
> & { readonly stepSize: Float64Array };

/** Moves the images of a task along a gradient inside their balls. */
export async function searchInBall(task: Task, how: How): Promise<Found> {
  const { images: adversarial, zeroGradients, forwards, gradients } = await optimise(task, how);
  return { adversarial, zeroGradients, forwards, gradients };
}

/** The same, but first of all with one step of length ε from the image itself; what that breaks is done. */
export async function searchInBallAfterFgsm(task: Task, how: How): Promise<Found> {
  const { norm, objective } = how;
  const once = await optimise(task, { norm, objective, steps: 1, stepSize: task.epsilon!.slice() });
  const left = Uint32Array.from(once.success.keys()).filter((i) => once.success[i] === 0);
  const adversarial = once.images;
  if (left.length === 0) return { ...once, adversarial };
  const stepSize = Float64Array.from(left, (i) => how.stepSize[i]!);
  const rest = await optimise(onlyImages(task, left), { ...how, stepSize });
  putRows(adversarial, rest.images, left);
  return {
    adversarial,
    zeroGradients: once.zeroGradients,
    forwards: once.forwards + rest.forwards,
    gradients: once.gradients + rest.gradients,
  };
}

function optimise(task: Task, how: How): Promise<OptimizedInput> {
  const { classifier, images, labels, targets, epsilon, seed, restart, imageNumbers, batchSize } = task;
  if (epsilon === undefined) throw new TypeError('an attack inside a ball needs the radius');
  return optimizeInput(classifier, {
    ...how,
    images,
    labels: targets ?? labels,
    goal: targets ? 'toward' : 'away',
    epsilon,
    seed,
    restart,
    imageNumbers,
    batchSize,
    signal: task.signal,
    onProgress: task.onProgress,
  });
}
