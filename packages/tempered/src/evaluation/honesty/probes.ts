/** @file What honesty checks measure by attacks of their own, on a few images. */
import { type Attack, type Perturbed, perturb } from '../../attacks/attack.ts';
import { fgsm } from '../../attacks/fgsm.ts';
import { noise } from '../../attacks/noise.ts';
import { pgd } from '../../attacks/pgd.ts';
import { square } from '../../attacks/square.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Classifier } from '../../models/classifier.ts';
import type { Norm } from '../../optimize/ball.ts';
import type { Work } from '../../progress.ts';
import { diameter } from '../curve.ts';
import type { AttackKind } from './attack-kinds.ts';
import type { BrokenImages } from './attack-order.ts';
import { type Doubled, doubledEffort, whyNotDoubled } from './convergence.ts';
import type { Unbounded } from './curve.ts';
import type { LossComparison } from './losses.ts';
import type { Kept } from './returned.ts';

export interface ProbeTask extends Work {
  /** Who judges. */
  readonly classifier: Classifier;
  /** Where gradients come from, when not from the classifier. */
  readonly surrogate?: Classifier;
  readonly dataset: Dataset;
  /** Images that are right without attack, by their numbers. */
  readonly images: readonly number[];
  /** Those among them that the evaluation left standing at `epsilon`. */
  readonly standing: readonly number[];
  readonly norm: Norm;
  readonly epsilon: number;
  /** The evaluation's strongest attack with gradients, and the images that it broke. */
  readonly main?: { readonly name: string; readonly attack: Attack; readonly broken: readonly number[] };
  readonly seed?: number;
  readonly batchSize?: number;
  /** Forward passes that attacks without gradients may spend. */
  readonly queries: number;
}

export interface Probes {
  readonly attempts: readonly BrokenImages[];
  readonly doubled: Doubled | undefined;
  readonly kept: Kept | undefined;
  readonly losses: LossComparison;
  readonly unbounded: Unbounded;
  readonly forwards: number;
  readonly gradients: number;
}

/** Points drawn in a ball, and queries of Square, an image. */
const RANDOM_POINTS = 10_000;
const SQUARE_QUERIES = 500;

/** Attacks a few images as the evaluation did not: once, twice as hard, by other losses, without a bound, without gradients. */
export async function probe(task: ProbeTask): Promise<Probes> {
  const { images, standing, norm, epsilon, main, queries } = task;
  const attempts: BrokenImages[] = [];
  const spent = { forwards: 0, gradients: 0 };
  const broken = async (attack: Attack, on: readonly number[], radius = epsilon, guided = true): Promise<number[]> => {
    const found = await attackNumbered(task, attack, on, radius, guided);
    spent.forwards += found?.forwards ?? 0;
    spent.gradients += found?.gradients ?? 0;
    return on.filter((_, k) => found?.success[k] === 1);
  };
  const attempt = async (name: string, kind: AttackKind, attack: Attack, on: readonly number[], guided = true) => {
    if (on.length === 0) return [];
    const found = await broken(attack, on, epsilon, guided);
    attempts.push({ attack: name, kind, tried: on, broken: found });
    return found;
  };

  await attempt('one step', 'single-step', fgsm({ norm }), images);
  const byEntropy = await attempt('PGD, cross-entropy', 'iterative', pgd({ norm, keep: 'worst' }), images);
  const byMargin = await attempt('PGD, margin', 'iterative', pgd({ norm, loss: 'margin', keep: 'worst' }), images);
  const losses = { count: images.length, crossEntropy: byEntropy.length, margin: byMargin.length };

  const isDoubled = whyNotDoubled(main?.attack, norm, images.length) === undefined;
  const harder = main && isDoubled ? doubledEffort(main.attack) : undefined;
  const twice = main && harder ? await attempt(`${main.name}, twice as long`, 'iterative', harder, images) : [];
  const stood = images.filter((i) => standing.includes(i));
  const doubled = main &&
    harder && {
      attack: main.name,
      count: images.length,
      broken: images.length - stood.length,
      more: twice.filter((i) => stood.includes(i)).length,
    };

  const keeping = main && keepingWorst(main.attack);
  const found = keeping ? await broken(keeping, images) : [];
  const kept = main &&
    keeping && {
      attack: main.name,
      count: images.length,
      brokenByLast: main.broken.filter((i) => images.includes(i)).length,
      lost: found.filter((i) => !main.broken.includes(i)).length,
    };

  const everywhere = pgd({ norm, loss: 'margin', steps: 40, keep: 'worst' });
  const fallen = await broken(everywhere, images, diameter(norm, task.dataset.imageShape));
  const unbounded = { broken: fallen.length, count: images.length };

  const tested = standing.slice(0, Math.floor(queries / 2 / SQUARE_QUERIES));
  await attempt('Square', 'scores', square({ norm, queries: SQUARE_QUERIES }), tested, false);
  const points = standing.slice(0, Math.floor(queries / 2 / RANDOM_POINTS));
  const draws = noise(norm === 'linf' ? { kind: 'uniform', draws: RANDOM_POINTS } : { norm, draws: RANDOM_POINTS });
  await attempt(`${RANDOM_POINTS} random points`, 'random', draws, points, false);
  return { attempts, doubled, kept, losses, unbounded, ...spent };
}

async function attackNumbered(
  { classifier, surrogate, dataset, seed, batchSize, signal, onProgress }: ProbeTask,
  attack: Attack,
  numbers: readonly number[],
  epsilon: number,
  isGuided: boolean,
): Promise<Perturbed | undefined> {
  if (numbers.length === 0) return undefined;
  return perturb(classifier, attack, {
    ...dataset.batch(numbers),
    imageNumbers: numbers,
    epsilon,
    seed,
    batchSize,
    signal,
    onProgress,
    surrogate: isGuided ? surrogate : undefined,
  });
}

/** An attack that returns its last iterate, or another one without regard to success, made to return the worst; undefined for any other. */
function keepingWorst(attack: Attack): Attack | undefined {
  const changed = JSON.stringify(attack, (key, value: unknown) =>
    key === 'keep' && value !== 'worst' && value !== 'first' ? 'worst' : value,
  );
  return changed === JSON.stringify(attack) ? undefined : (JSON.parse(changed) as Attack);
}
