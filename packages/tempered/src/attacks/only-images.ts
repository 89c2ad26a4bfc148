import { takeRows } from '../tensor.ts';
import type { Task } from './search.ts';

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
