import { rows } from '../tensor.ts';
import type { Task } from './explanation.ts';

/** The part of a task that is about images `start` to `end` (exclusive). */
export function taskRows(task: Task, start: number, end: number): Task {
  return {
    ...task,
    images: rows(task.images, start, end),
    targets: task.targets.subarray(start, end),
    targetRows: rows(task.targetRows, start, end),
    imageNumbers: Array.from(task.imageNumbers).slice(start, end),
  };
}
