/** @file What the model says while the pixels of an image are replaced one after the other. */
import type { Explained } from '../../attribution/explained.ts';
import { explained } from '../../attribution/explained.ts';
import { oneHot } from '../../models/batching.ts';
import type { Tensor } from '../../tensor.ts';
import type { MeasureTask } from './measure.ts';
import { runVariants } from './variants.ts';

/** What of the target class is looked at. */
export type Watched = Extract<Explained, 'logit' | 'probability' | 'log-probability'>;

export const WATCHED = ['logit', 'probability', 'log-probability'] as const satisfies readonly Watched[];

interface Replacement {
  /** [N, C, H, W]: the images before and after. */
  from: Tensor;
  to: Tensor;
  /** When each pixel is replaced, [N, 1, H, W]. */
  places: Tensor;
  /** How many places are replaced at each point. */
  replaced: readonly number[];
  of: Watched;
  stage: string;
}

/** What is explained when the pixels in the first places are replaced, [N, points]; masks are made in the graph. */
export async function replacementCurve(
  task: MeasureTask,
  { from, to, places, replaced, of, stage }: Replacement,
): Promise<Tensor> {
  const target = oneHot(task.targets, task.classifier.classes.length);
  const { value } = await runVariants(task, {
    key: `replacement of ${of}`,
    stage,
    count: replaced.length,
    ofImages: { from, to, places, target },
    ofVariants: {
      limit: {
        shape: [1, 1, 1],
        write: (into, _, k) => {
          into[0] = replaced[k]!;
        },
      },
    },
    write: ({ g, model }, { from, to, places, limit, target }) => ({
      value: explained(g, model(g.where(g.less(places!, limit!), to!, from!)), target!, of),
    }),
  });
  return { shape: [task.images.shape[0]!, replaced.length], data: value!.data };
}

/** 0, ..., up to `until` of `count`, in steps of the share `step`, rounded to whole numbers, each once. */
export function stepsOf(count: number, step: number, until = 1): number[] {
  const steps = Math.max(1, Math.round(until / step));
  const points = Array.from({ length: steps + 1 }, (_, k) => Math.round(((k * until) / steps) * count));
  return [...new Set(points)];
}

/** Area under each row of values at `x`, by the trapezoid rule, over the length of the axis. */
export function areas({ shape, data }: Tensor, x: readonly number[]): Float64Array {
  const [count = 0, points = 1] = shape;
  return Float64Array.from({ length: count }, (_, n) => {
    let area = 0;
    for (let k = 1; k < points; k++)
      area += ((x[k]! - x[k - 1]!) * (data[n * points + k - 1]! + data[n * points + k]!)) / 2;
    return area / (x.at(-1)! - x[0]!);
  });
}
