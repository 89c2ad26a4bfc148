/** @file The baselines of one image at a time, and what is explained at them. */
import { rows, type Tensor } from '../../tensor.ts';
import { valuesAt } from '../at-images.ts';
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

/** What is explained at each image's baseline, [N]; of several, the mean. */
export async function valuesAtBaselines(task: Task, baseline: Baseline): Promise<Float32Array> {
  const draws = baselineDraws(baseline);
  const sums = new Float64Array(task.images.shape[0]!);
  for (let draw = 0; draw < draws; draw++)
    for (const [i, value] of (await valuesAt(task, baselinesOf(task, baseline, draw))).entries())
      sums[i]! += value / draws;
  return Float32Array.from(sums);
}
