/** @file C9: whether a model answers the same to the same image. */
import { UsageError } from '../../errors.ts';
import type { Classifier } from '../../models/classifier.ts';
import { argmaxRows, predictLogits } from '../../models/predict.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { check, type HonestyCheck, ofCount } from './check.ts';
import type { Sample } from './gradients.ts';
import type { MaskSearch } from './masks.ts';

export interface Repeats {
  readonly runs: number;
  readonly count: number;
  /** Largest l2 distance between the normalised logits of two runs on one image. */
  readonly distance: number;
  /** Images whose prediction changed between runs. */
  readonly changed: number;
}

/**
 * Forward passes of the same images, as AutoAttack's flag does: logits normalised to length 1, compared with those of
 * the first pass.
 *
 * @throws UsageError for fewer than two runs
 */
export async function measureRepeats(
  classifier: Classifier,
  { images, batchSize, signal }: Sample,
  runs = 5,
): Promise<Repeats> {
  if (!(runs >= 2)) throw new UsageError(`repeating takes at least two runs, not ${runs}`);
  const first = await predictLogits(classifier, images, { batchSize, signal });
  const predicted = argmaxRows(first);
  const changed = new Set<number>();
  let distance = 0;
  for (let run = 1; run < runs; run++) {
    const logits = await predictLogits(classifier, images, { batchSize, signal });
    for (const [i, k] of argmaxRows(logits).entries()) if (k !== predicted[i]) changed.add(i);
    distance = Math.max(distance, ...Array.from(predicted, (_, i) => distanceOfDirections(first, logits, i)));
  }
  return { runs, count: predicted.length, distance, changed: changed.size };
}

function distanceOfDirections(a: Tensor, b: Tensor, row: number): number {
  const [x, y] = [a, b].map((logits) => {
    const values = rows(logits, row, row + 1).data;
    const length = Math.hypot(...values) || 1;
    return values.map((value) => value / length);
  }) as [Float32Array, Float32Array];
  return Math.hypot(...x.map((value, k) => value - y[k]!));
}

/** AutoAttack's threshold. */
const DIFFERENT = 1e-4;

export function predictionsRepeat({ runs, count, distance, changed }: Repeats, { masks }: MaskSearch): HonestyCheck {
  const evidence = `${runs} passes over ${count} images: normalised logits differ by up to ${distance.toExponential(1)}, ${ofCount(changed, count)} predictions change`;
  const data = { runs, count, distance, changed };
  if (distance <= DIFFERENT && changed === 0) return check('C9', 'pass', evidence, { data });
  const random = masks.find(({ kind }) => kind === 'randomness');
  return check(
    'C9',
    'fail',
    `${evidence}; ${random ? `noise from ${random.what}` : 'the graph shows no source of noise'}`,
    {
      advice: random?.repair
        ? `${random.repair.says}, and the mean logits of several passes are judged; a single pass would flatter the model`
        : 'average gradients and predictions over several passes',
      data,
    },
  );
}
