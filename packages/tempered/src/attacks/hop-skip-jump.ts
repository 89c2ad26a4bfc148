import type { Norm } from '../optimize/ball.ts';
import { balls } from '../optimize/ball.ts';
import { createRandom, type Random } from '../random.ts';
import { rows } from '../tensor.ts';
import { type Decisions, decisions } from './decisions.ts';
import { type Estimator, openEstimator } from './direction-estimate.ts';
import { goalOf } from './goal.ts';
import type { Search, Task } from './search.ts';
import { checkCounts } from './settings.ts';

export interface HopSkipJump {
  readonly name: 'hop-skip-jump';
  readonly norm: 'linf' | 'l2';
  readonly iterations: number;
  /** Forward passes for the first direction, B₀; iteration t has B₀ √t. */
  readonly samples: number;
  readonly mostSamples: number;
  /** Random images tried as a start. */
  readonly starts: number;
}

export interface HopSkipJumpOptions {
  /** Default `'l2'`. */
  norm?: 'linf' | 'l2';
  /** Default 40. */
  iterations?: number;
  /** Default 100. */
  samples?: number;
  /** Default 10,000. */
  mostSamples?: number;
  /** Default 1000. */
  starts?: number;
}

/**
 * Looks for the smallest perturbation by decisions alone: from an adversarial image to the decision boundary, along an
 * estimate of its normal, and back to the boundary. Chen, Jordan & Wainwright 2020, Alg. 2; step lengths by geometric
 * halving, the radius of the estimate and its baseline as there (§III-C). An image that is inside its ball is left alone.
 *
 * Starts are uniform noise as in the paper and, where that is not adversarial, coarser noise in blocks. Rarely a target
 * is met by noise: with targets, expect images for which nothing is found.
 *
 * @example hopSkipJump({ norm: 'linf', iterations: 64 })
 */
export function hopSkipJump({
  norm = 'l2',
  iterations = 40,
  samples = 100,
  mostSamples = 10_000,
  starts = 1000,
}: HopSkipJumpOptions = {}): HopSkipJump {
  checkCounts('HopSkipJump', { iterations, samples, mostSamples, starts }, 1);
  return { name: 'hop-skip-jump', norm, iterations, samples, mostSamples, starts };
}

/** One image on its way along the boundary. */
interface Walker {
  readonly index: number;
  readonly original: Float32Array;
  readonly random: Random;
  /** Adversarial, at the boundary. */
  x: Float32Array;
  distance: number;
}

export const searchHopSkipJump: Search<HopSkipJump> = async (task, attack) => {
  const { classifier, images, labels, seed, onProgress } = task;
  const adversarial = { ...images, data: images.data.slice() };
  const best = new Float64Array(labels.length).fill(Infinity);
  const asked = decisions(task);
  const estimator = await openEstimator(classifier, {
    value: 'decision',
    kind: attack.norm === 'l2' ? 'normal' : 'uniform',
    unit: true,
    pairs: false,
    goal: goalOf(task),
    seed,
  });
  let estimates = 0;
  const settle = (walkers: readonly Walker[]): Walker[] => {
    for (const { index, x, distance } of walkers) {
      if (distance >= best[index]!) continue;
      best[index] = distance;
      rows(adversarial, index, index + 1).data.set(x);
    }
    return walkers.filter(({ index }) => !(best[index]! <= (task.epsilon?.[index] ?? 0)));
  };
  try {
    let walkers = settle(await startingPoints(task, attack, asked));
    for (let t = 1; t <= attack.iterations && walkers.length > 0; t++) {
      const samples = Math.min(attack.mostSamples, Math.floor(attack.samples * Math.sqrt(t)));
      const normals: Float32Array[] = [];
      for (const walker of walkers) {
        task.signal?.throwIfAborted();
        normals.push(await normalAt(task, attack, estimator, walker, t, samples));
      }
      estimates += samples * walkers.length;
      await hop(walkers, normals, t, asked);
      await toBoundary(walkers, attack.norm, asked);
      walkers = settle(walkers);
      onProgress?.({ stage: 'HopSkipJump', done: t, total: attack.iterations });
    }
  } finally {
    estimator.release();
  }
  return { adversarial, zeroGradients: 0, forwards: asked.count() + estimates, gradients: 0 };
};

/** Width of the last interval of the search along a line, θ: d^{−3/2} in l2, d^{−2} in linf. */
const tolerance = (norm: Norm, size: number): number => (norm === 'l2' ? size ** -1.5 : size ** -2);

const halvings = (norm: Norm, size: number): number => Math.min(24, Math.ceil(-Math.log2(tolerance(norm, size))));

async function startingPoints(task: Task, { norm, starts }: HopSkipJump, asked: Decisions): Promise<Walker[]> {
  const { images, labels, seed, restart, imageNumbers } = task;
  const all = Array.from(labels, (_, index): Walker => {
    const original = rows(images, index, index + 1).data;
    const random = createRandom(seed, 'hop-skip-jump', imageNumbers[index]!, restart);
    return { index, original, random, x: original.slice(), distance: 0 };
  });
  // What is adversarial already is its own smallest perturbation.
  const done = await asked.met(all);
  const found = all.filter((_, k) => done[k]);
  let open = all.filter((_, k) => !done[k]);
  for (let attempt = 0; attempt < starts && open.length > 0; attempt++) {
    for (const { x, random } of open) fillNoise(x, task.classifier.inputShape, 2 ** (attempt % 4), random);
    const met = await asked.met(open);
    found.push(...open.filter((_, k) => met[k]));
    open = open.filter((_, k) => !met[k]);
  }
  const outside = found.filter(({ index }) => !done[index]);
  await asked.search(outside, 'l2', 10);
  await toBoundary(outside, norm, asked);
  return found;
}

/** Uniform noise, equal in blocks of `block` × `block` pixels. */
function fillNoise(x: Float32Array, shape: readonly number[], block: number, random: Random): void {
  const width = shape.at(-1) ?? 1;
  const height = shape.at(-2) ?? 1;
  const [blocksAcross, blocksDown] = [Math.ceil(width / block), Math.ceil(height / block)];
  for (let plane = 0; plane < x.length; plane += width * height) {
    const blocks = Float32Array.from({ length: blocksAcross * blocksDown }, () => random.uniform());
    for (let i = 0; i < width * height; i++) {
      const [row, column] = [Math.floor(i / width), i % width];
      x[plane + i] = blocks[Math.floor(row / block) * blocksAcross + Math.floor(column / block)]!;
    }
  }
}

/** Moves walkers along the line to their originals (in linf: along the boxes around them) to the boundary. */
async function toBoundary(walkers: readonly Walker[], norm: 'linf' | 'l2', asked: Decisions): Promise<void> {
  const size = walkers[0]?.x.length ?? 1;
  await asked.search(walkers, norm, halvings(norm, size));
  for (const walker of walkers) walker.distance = balls[norm].distance(walker.x, walker.original);
}

/** The direction in which images become more adversarial, of length 1 under the norm. */
async function normalAt(
  { labels, targets }: Task,
  { norm }: HopSkipJump,
  estimator: Estimator,
  { x, index, distance, random }: Walker,
  t: number,
  samples: number,
): Promise<Float32Array> {
  const scale = norm === 'l2' ? Math.sqrt(x.length) : x.length;
  // Below a millionth a pixel, single precision would swallow the difference.
  const radius = t === 1 ? 0.1 : Math.max(scale * tolerance(norm, x.length) * distance, 1e-6 * Math.sqrt(x.length));
  const target = (targets ?? labels)[index]!;
  const estimate = await estimator.estimate(x, target, { radius, samples, random });
  if (norm === 'linf') return estimate.map(Math.sign);
  const length = Math.sqrt(estimate.reduce((sum, value) => sum + value * value, 0)) || 1;
  return estimate.map((value) => value / length);
}

/** The longest of the steps d/√t, d/2√t, d/4√t ... that stays adversarial. */
async function hop(
  walkers: readonly Walker[],
  normals: readonly Float32Array[],
  t: number,
  asked: Decisions,
): Promise<void> {
  let open = walkers.map((walker, k) => ({ walker, normal: normals[k]!, length: walker.distance / Math.sqrt(t) }));
  for (let halving = 0; halving < 30 && open.length > 0; halving++) {
    const tries = open.map(({ walker, normal, length }) => ({
      index: walker.index,
      x: walker.x.map((value, p) => Math.min(1, Math.max(0, value + length * normal[p]!))),
    }));
    const met = await asked.met(tries);
    for (const [k, { walker }] of open.entries()) if (met[k]) walker.x = tries[k]!.x;
    open = open.filter((_, k) => !met[k]).map((one) => ({ ...one, length: one.length / 2 }));
  }
}
