import { rows, takeRows } from '../tensor.ts';
import type { Attack } from './attack.ts';
import type { Search, Task } from './search.ts';

export interface Restarts {
  readonly name: 'restarts';
  readonly attack: Attack;
  readonly restarts: number;
}

/**
 * Runs an attack again, with other random numbers, on the images that it has not yet broken.
 *
 * @example restarts(pgd({ steps: 40 }), 10)
 */
export const restarts = (attack: Attack, restarts: number): Restarts => ({ name: 'restarts', attack, restarts });

export const searchRestarts: Search<Restarts> = async (task, { attack, restarts }, run) => {
  const first = await run({ ...task, restart: task.restart * restarts }, attack);
  const data = first.adversarial.data.slice();
  const size = data.length / first.success.length;
  let { forwards, gradients } = first;
  let left = Uint32Array.from(first.success.keys()).filter((i) => first.success[i] === 0);
  for (let restart = 1; restart < restarts && left.length > 0; restart++) {
    const found = await run({ ...onlyImages(task, left), restart: task.restart * restarts + restart }, attack);
    forwards += found.forwards;
    gradients += found.gradients;
    for (const [k, i] of left.entries())
      if (found.success[k] === 1) data.set(rows(found.adversarial, k, k + 1).data, i * size);
    left = left.filter((_, k) => found.success[k] === 0);
  }
  return { adversarial: { ...first.adversarial, data }, zeroGradients: first.zeroGradients, forwards, gradients };
};

/** The part of a task that concerns some of its images. */
export function onlyImages(task: Task, indices: Uint32Array): Task {
  return {
    ...task,
    images: takeRows(task.images, indices),
    labels: Int32Array.from(indices, (i) => task.labels[i]!),
    targets: task.targets && Int32Array.from(indices, (i) => task.targets![i]!),
    epsilon: task.epsilon && Float64Array.from(indices, (i) => task.epsilon![i]!),
    imageNumbers: Float64Array.from(indices, (i) => task.imageNumbers[i]!),
  };
}
