import { concatRows, type Tensor, zeros } from '../tensor.ts';
import { type Baseline, baselineDraws, baselinesOf, isRandomBaseline } from './baseline.ts';
import { type Certificate, completeness, type Explanation, type Task } from './explanation.ts';
import { addSample, type Moments, noMoments } from './moments.ts';
import { estimateMean, relativeErrors } from './standard-error.ts';
import { taskRows } from './task-rows.ts';

/**
 * An explanation that starts at a baseline; where each image has several, the mean over them. The sum of such a mean is
 * compared with the mean of the differences; points add up; of random baselines there is the mean's standard error.
 */
export async function overBaselines(
  task: Task,
  baseline: Baseline,
  explain: (task: Task, baselines: Tensor) => Promise<Explanation>,
): Promise<Explanation> {
  const draws = baselineDraws(baseline);
  if (draws === 1) return explain(task, baselinesOf(task, baseline));
  const count = task.images.shape[0]!;
  const groups: Explanation[] = [];
  // Sums of all attributions are kept for one group of images at a time.
  for (let start = 0; start < count; start += task.batchSize) {
    const group = taskRows({ ...task, onProgress: undefined }, start, start + task.batchSize);
    const average = new Average();
    for (let draw = 0; draw < draws; draw++) {
      average.add(await explain(group, baselinesOf(group, baseline, draw)));
      const done = start * draws + (draw + 1) * group.images.shape[0]!;
      task.onProgress?.({ stage: 'baselines', done, total: count * draws });
    }
    groups.push(average.result(isRandomBaseline(baseline)));
  }
  return joined(groups);
}

/** The mean of explanations of the same images. */
class Average {
  #count = 0;
  #shape: readonly number[] = [];
  #moments: Moments[] = [];
  #output: Float32Array = new Float32Array(0);
  #baseOutput: number[] = [];
  #sums: { sum: number; difference: number }[] = [];
  #points: number[] = [];
  #quadratureError: number[] = [];

  add({ attributions, output, baseOutput, certificate = {} }: Explanation): void {
    const images = attributions.shape[0]!;
    const size = attributions.data.length / images;
    if (this.#count === 0) this.#moments = Array.from({ length: images }, () => noMoments(size, 1));
    this.#count += 1;
    this.#shape = attributions.shape;
    this.#output = output;
    this.#moments.forEach((moments, i) => {
      addSample(moments, attributions.data.subarray(i * size, (i + 1) * size));
    });
    baseOutput?.forEach((value, i) => {
      this.#baseOutput[i] = (this.#baseOutput[i] ?? 0) + value;
    });
    certificate.completeness?.forEach(({ sum, difference }, i) => {
      const before = this.#sums[i] ?? { sum: 0, difference: 0 };
      this.#sums[i] = { sum: before.sum + sum, difference: before.difference + difference };
    });
    certificate.points?.forEach((value, i) => {
      this.#points[i] = (this.#points[i] ?? 0) + value;
    });
    certificate.quadratureError?.forEach((value, i) => {
      this.#quadratureError[i] = Math.max(this.#quadratureError[i] ?? 0, value);
    });
  }

  result(random: boolean): Explanation {
    const estimates = this.#moments.map(estimateMean);
    const attributions = zeros(this.#shape);
    estimates.forEach(({ values }, i) => {
      attributions.data.set(values, i * values.length);
    });
    const sums = this.#sums.map(({ sum, difference }) => completeness(sum / this.#count, difference / this.#count));
    const certificate: Certificate = {
      ...(sums.length > 0 && { completeness: sums }),
      ...(this.#points.length > 0 && { points: this.#points }),
      ...(this.#quadratureError.length > 0 && { quadratureError: this.#quadratureError }),
      ...(random && { standardError: estimates.map(relativeErrors) }),
    };
    return {
      attributions,
      output: this.#output,
      baseOutput: Float32Array.from(this.#baseOutput, (sum) => sum / this.#count),
      certificate,
    };
  }
}

/** Explanations of one group of images after the other. */
function joined(groups: readonly Explanation[]): Explanation {
  const all = (field: 'output' | 'baseOutput') =>
    Float32Array.from(groups.flatMap((group) => [...(group[field] ?? [])]));
  const entries = Object.keys(groups[0]!.certificate!) as (keyof Certificate)[];
  return {
    attributions: concatRows(groups.map(({ attributions }) => attributions)),
    output: all('output'),
    baseOutput: all('baseOutput'),
    certificate: Object.fromEntries(
      entries.map((entry) => [entry, groups.flatMap(({ certificate }) => certificate![entry] as readonly unknown[])]),
    ),
  };
}
