import { type OptimizeInputOptions, optimizeInput } from '../optimize/optimize-input.ts';
import type { Found, Task } from './search.ts';

type How = Pick<OptimizeInputOptions, 'norm' | 'objective' | 'steps' | 'stepSize' | 'randomStart' | 'keep'>;

/** Moves the images of a task along a gradient inside their balls. */
export async function searchInBall(task: Task, how: How): Promise<Found> {
  const { classifier, images, labels, targets, epsilon, seed, restart, imageNumbers, batchSize } = task;
  if (epsilon === undefined) throw new TypeError('an attack inside a ball needs the radius');
  const { images: adversarial, ...rest } = await optimizeInput(classifier, {
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
  return { adversarial, zeroGradients: rest.zeroGradients, forwards: rest.forwards, gradients: rest.gradients };
}
