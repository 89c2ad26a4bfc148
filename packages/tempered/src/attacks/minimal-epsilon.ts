import { UsageError } from '../errors.ts';
import { predict } from '../models/predict.ts';
import type { Norm } from '../optimize/ball.ts';
import { rows, sizeOf } from '../tensor.ts';
import type { Attack } from './attack.ts';
import { isMinimal, normOf } from './norm-of.ts';
import { onlyImages } from './only-images.ts';
import type { Search } from './search.ts';
import { checkCounts, checkSizes } from './settings.ts';

export interface MinimalEpsilon {
  readonly name: 'minimal-epsilon';
  readonly attack: Attack;
  /** First radius; it is doubled until the attack succeeds. */
  readonly start: number;
  /** Largest share of a radius by which it may miss the smallest one at which the attack succeeds. */
  readonly tolerance: number;
  /** Runs of the attack on an image, at most. */
  readonly rounds: number;
}

export interface MinimalEpsilonOptions {
  /** In pixel units, under the attack's norm. Default 0.02 for linf, 0.2 for l2, 2 for l1, else 0.1. */
  start?: number;
  /** Default 0.001. */
  tolerance?: number;
  /** Default 40. */
  rounds?: number;
}

const START: Readonly<Record<Norm, number>> = { linf: 0.02, l2: 0.2, l1: 2 };

/**
 * The smallest radius at which an attack inside a ball succeeds: for every image by itself, doubling until it is
 * broken, then bisection, in which what was found inside a ball bounds the next one. Every run is one batch of the
 * images that are still searched for.
 *
 * @throws UsageError for an attack that looks for the smallest perturbation by itself, and for settings not above 0
 * @example minimalEpsilon(pgd({ loss: 'margin', keep: 'worst' }))
 */
export function minimalEpsilon(
  attack: Attack,
  { start, tolerance = 1e-3, rounds = 40 }: MinimalEpsilonOptions = {},
): MinimalEpsilon {
  if (isMinimal(attack)) throw new UsageError(`'${attack.name}' looks for the smallest perturbation by itself`);
  checkCounts('minimal ε', { rounds }, 1);
  checkSizes('minimal ε', { tolerance, ...(start !== undefined && { start }) });
  const norm = normOf(attack);
  return { name: 'minimal-epsilon', attack, start: start ?? (norm ? START[norm] : 0.1), tolerance, rounds };
}

export const searchMinimalEpsilon: Search<MinimalEpsilon> = async (task, search, run) => {
  const { attack, start, tolerance, rounds } = search;
  const count = task.labels.length;
  const size = sizeOf(task.images.shape.slice(1));
  const norm = normOf(attack);
  const widest = norm ? { linf: 1, l2: Math.sqrt(size), l1: size }[norm] : Infinity;
  const data = task.images.data.slice();
  const failed = new Float64Array(count);
  const { batchSize, imageNumbers, signal } = task;
  const predictions = await predict(task.judge, task.images, { batchSize, imageNumbers, signal });
  const broken = Float64Array.from(predictions, (k, i) =>
    (task.targets ? k === task.targets[i] : k !== task.labels[i]) ? 0 : Infinity,
  );
  const total = { zeroGradients: 0, forwards: count, gradients: 0 };
  /** The next radius to try; undefined when there is none. */
  const next = (i: number): number | undefined => {
    const [low, high] = [failed[i]!, broken[i]!];
    if (high === Infinity) return low >= widest ? undefined : Math.min(widest, Math.max(start, 2 * low));
    return high - low > tolerance * high ? (low + high) / 2 : undefined;
  };
  for (let round = 0; round < rounds; round++) {
    const open = Uint32Array.from(failed.keys()).filter((i) => broken[i]! > 0 && next(i) !== undefined);
    if (open.length === 0) break;
    const epsilon = Float64Array.from(open, (i) => next(i)!);
    // Every round is the same run at another radius: its random numbers are those of the task, and scale with ε.
    const found = await run({ ...onlyImages(task, open), epsilon, onProgress: undefined }, attack);
    total.forwards += found.forwards;
    total.gradients += found.gradients;
    if (round === 0) total.zeroGradients = found.zeroGradients;
    for (const [k, i] of open.entries()) {
      if (found.success[k] !== 1) {
        failed[i] = Math.max(failed[i]!, epsilon[k]!);
        continue;
      }
      // Lengths of attacks without a norm are no radii.
      broken[i] = norm ? Math.min(epsilon[k]!, found.distance[k]!) : epsilon[k]!;
      data.set(rows(found.adversarial, k, k + 1).data, i * size);
    }
    task.onProgress?.({ stage: 'optimise', done: round + 1, total: rounds });
  }
  return { adversarial: { ...task.images, data }, ...total };
};
