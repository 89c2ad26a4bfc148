import { rows, type Tensor } from '../../tensor.ts';
import { type Baseline, baselineDraws, baselinesOf } from '../baseline.ts';
import type { Task } from '../explanation.ts';
import { taskRows } from '../task-rows.ts';

/** All baselines of the image in one row of the task, each [1, ...]. Of several, only one image's are ever kept. */
export function baselinesByImage(task: Task, baseline: Baseline): (row: number) => Tensor[] {
  const draws = baselineDraws(baseline);
  if (draws === 1) {
    const all = baselinesOf(task, baseline);
    return (row) => [rows(all, row, row + 1)];
  }
  return (row) => Array.from({ length: draws }, (_, draw) => baselinesOf(taskRows(task, row, row + 1), baseline, draw));
}
