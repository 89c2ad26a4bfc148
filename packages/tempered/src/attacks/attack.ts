/** @file Every attack by name, and `perturb`, which runs one: attacks are plain data made by the functions beside this file. */
import { UsageError } from '../errors.ts';
import { defaultBatchSize } from '../models/batching.ts';
import { type Classifier, checkClasses, checkImages } from '../models/classifier.ts';
import { checkEpsilon, checkLabels, checkPixels } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { putRows, type Tensor } from '../tensor.ts';
import { type AutoAttack, searchAutoAttack } from './auto-attack.ts';
import { type AutoPgd, searchAutoPgd } from './auto-pgd.ts';
import { type CarliniWagner, searchCarliniWagner } from './carlini-wagner.ts';
import { type Ddn, searchDdn } from './ddn.ts';
import { type DeepFool, searchDeepFool } from './deep-fool.ts';
import { type Fab, searchFab } from './fab.ts';
import { type Fgsm, searchFgsm } from './fgsm.ts';
import { type Fmn, searchFmn } from './fmn.ts';
import { type HopSkipJump, searchHopSkipJump } from './hop-skip-jump.ts';
import { judge, judgeRounded } from './judge.ts';
import { type MinimalEpsilon, searchMinimalEpsilon } from './minimal-epsilon.ts';
import { type MomentumFgsm, searchMomentumFgsm } from './momentum.ts';
import { type Nes, searchNes } from './nes.ts';
import { type Noise, searchNoise } from './noise.ts';
import { isMinimal } from './norm-of.ts';
import { onlyImages } from './only-images.ts';
import { type Pgd, searchPgd } from './pgd.ts';
import { type Restarts, searchRestarts } from './restarts.ts';
import type { Run, Search, Task, Verified } from './search.ts';
import { type Spatial, searchSpatial } from './spatial.ts';
import { type Square, searchSquare } from './square.ts';
import { searchTargeted, type Targeted } from './targeted.ts';
import { type Elastic, searchElastic } from './unforeseen/elastic.ts';
import { type Fog, searchFog } from './unforeseen/fog.ts';
import { type FrankWolfeL1, searchFrankWolfeL1 } from './unforeseen/frank-wolfe-l1.ts';
import { type Gabor, searchGabor } from './unforeseen/gabor.ts';
import { type Jpeg, searchJpeg } from './unforeseen/jpeg.ts';
import { type Snow, searchSnow } from './unforeseen/snow.ts';
import { searchWorstCase, type WorstCase } from './worst-case.ts';

export { isMinimal, normOf } from './norm-of.ts';

/** A description of an attack; JSON-serialisable. All lengths are in pixel units ([0, 1] images). */
export type Attack =
  | AutoAttack
  | AutoPgd
  | CarliniWagner
  | Ddn
  | DeepFool
  | Elastic
  | Fab
  | Fgsm
  | Fmn
  | Fog
  | FrankWolfeL1
  | Gabor
  | HopSkipJump
  | Jpeg
  | MinimalEpsilon
  | MomentumFgsm
  | Nes
  | Noise
  | Pgd
  | Restarts
  | Snow
  | Spatial
  | Square
  | Targeted
  | WorstCase;

const searches: { readonly [Name in Attack['name']]: Search<Extract<Attack, { name: Name }>> } = {
  'auto-attack': searchAutoAttack,
  'auto-pgd': searchAutoPgd,
  'carlini-wagner': searchCarliniWagner,
  ddn: searchDdn,
  'deep-fool': searchDeepFool,
  elastic: searchElastic,
  fab: searchFab,
  fgsm: searchFgsm,
  fmn: searchFmn,
  fog: searchFog,
  'frank-wolfe-l1': searchFrankWolfeL1,
  gabor: searchGabor,
  'hop-skip-jump': searchHopSkipJump,
  jpeg: searchJpeg,
  'minimal-epsilon': searchMinimalEpsilon,
  'momentum-fgsm': searchMomentumFgsm,
  nes: searchNes,
  noise: searchNoise,
  pgd: searchPgd,
  restarts: searchRestarts,
  snow: searchSnow,
  spatial: searchSpatial,
  square: searchSquare,
  targeted: searchTargeted,
  'worst-case': searchWorstCase,
};

export interface PerturbOptions extends Work {
  /** [N, C, H, W] in [0, 1]. */
  images: Tensor;
  /** True classes, [N]. */
  labels: ArrayLike<number>;
  /** Classes to reach, [N]; without them, any class but the true one will do. */
  targets?: ArrayLike<number>;
  /** Default 0. */
  seed?: number;
  /** Number of each image in its data set, so that results do not depend on how a set is cut. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
  batchSize?: number;
  /** Searches on this model instead of the attacked one: a transfer attack, or a form of the model with usable gradients. */
  surrogate?: Classifier;
}

export interface Perturbed extends Verified {
  /** Radius of each image's ball; infinite for an attack that looked for the smallest perturbation. */
  readonly epsilon: Float64Array;
  /** Whether the image is still adversarial with its pixels rounded to 8 bits, [N]. */
  readonly survivesRounding: Uint8Array;
}

/**
 * Attacks images. `epsilon` is the radius in pixel units of every image's ball, or a list of one radius an image; with
 * `epsilons`, the result is a list with an entry for each. Attacks that look for the smallest perturbation (DeepFool,
 * FAB ...) may be given neither; given one, they succeed where what they find lies inside the ball. ε = 0 returns the
 * images unchanged. Success is judged by a fresh forward pass of the images that are returned; bounds and distances are
 * checked in double precision.
 *
 * @throws UsageError when ε is negative or missing, images or labels do not fit the classifier, pixels lie outside
 *   [0, 1], or the surrogate has other numbers for the classes; DataError when the classifier's logits are not finite;
 *   TypeError when an attack leaves [0, 1], which is a fault of the attack
 * @example
 * const { success } = await perturb(classifier, pgd({ steps: 40 }), { images, labels, epsilon: 0.3 });
 */
export function perturb(
  classifier: Classifier,
  attack: Attack,
  options: PerturbOptions & { epsilons: readonly number[] },
): Promise<Perturbed[]>;
export function perturb(
  classifier: Classifier,
  attack: Attack,
  options: PerturbOptions & { epsilon?: number | ArrayLike<number>; epsilons?: undefined },
): Promise<Perturbed>;
export async function perturb(
  classifier: Classifier,
  attack: Attack,
  options: PerturbOptions & { epsilon?: number | ArrayLike<number>; epsilons?: readonly number[] },
): Promise<Perturbed | Perturbed[]> {
  const task = prepare(classifier, options);
  const count = task.labels.length;
  const radii = (options.epsilons ?? [options.epsilon]).map((epsilon) => radiiOf(epsilon, count));
  if (radii.includes(undefined) && !isMinimal(attack))
    throw new UsageError(`the attack '${attack.name}' needs epsilon, the radius in pixel units`);
  const smallest = isMinimal(attack) ? await run(task, attack) : undefined;
  const results: Perturbed[] = [];
  for (const [index, epsilon] of radii.entries()) {
    const onProgress: Work['onProgress'] =
      task.onProgress &&
      ((progress) =>
        task.onProgress?.({
          ...progress,
          done: index * progress.total + progress.done,
          total: radii.length * progress.total,
        }));
    const verified = smallest
      ? await within({ ...task, epsilon }, attack, smallest)
      : await runWherePositive({ ...task, epsilon, onProgress }, attack);
    const survivesRounding = await judgeRounded(task, verified);
    results.push({ ...verified, epsilon: epsilon ?? new Float64Array(count).fill(Infinity), survivesRounding });
  }
  return options.epsilons ? results : results[0]!;
}

function prepare(judge: Classifier, options: PerturbOptions): Task {
  const { images, imageNumbers, seed = 0, signal, onProgress, surrogate = judge } = options;
  const count = images.shape[0]!;
  for (const classifier of [judge, surrogate]) {
    checkImages(classifier, images);
    checkClasses(classifier.description);
    checkLabels(classifier, options.labels, count);
    if (options.targets) checkLabels(classifier, options.targets, count);
  }
  checkSameClasses(judge, surrogate);
  checkPixels(images, imageNumbers);
  if (imageNumbers !== undefined && imageNumbers.length !== count)
    throw new UsageError(`${count} images were given with ${imageNumbers.length} numbers`);
  return {
    classifier: surrogate,
    judge,
    images,
    labels: Int32Array.from(options.labels),
    targets: options.targets && Int32Array.from(options.targets),
    seed,
    restart: 0,
    imageNumbers: imageNumbers ?? Float64Array.from({ length: count }, (_, i) => i),
    batchSize: options.batchSize ?? defaultBatchSize(judge.description),
    signal,
    onProgress,
  };
}

/** Labels are numbers of the judge's classes: those of the surrogate have to mean the same. */
function checkSameClasses(judge: Classifier, surrogate: Classifier): void {
  const [own, other] = [judge.classes, surrogate.classes];
  const [name, surrogateName] = [judge.description.name, surrogate.description.name];
  if (own.length !== other.length)
    throw new UsageError(
      `the surrogate '${surrogateName}' has ${other.length} classes, '${name}' ${own.length}: attack one that tells the same classes apart`,
    );
  const moved = own.findIndex((each, k) => each !== other[k]);
  if (moved >= 0 && JSON.stringify([...own].sort()) === JSON.stringify([...other].sort()))
    throw new UsageError(
      `the surrogate '${surrogateName}' has the classes of '${name}' in another order ('${other[moved]}' is number ${moved}, there '${own[moved]}'): give both the same order, since labels are numbers`,
    );
}

function radiiOf(epsilon: number | ArrayLike<number> | undefined, count: number): Float64Array | undefined {
  if (epsilon === undefined) return undefined;
  const radii = typeof epsilon === 'number' ? new Float64Array(count).fill(epsilon) : Float64Array.from(epsilon);
  if (typeof epsilon === 'number') checkEpsilon(epsilon);
  else for (const radius of radii) checkEpsilon(radius);
  if (radii.length !== count) throw new UsageError(`${count} images were given with ${radii.length} values of epsilon`);
  return radii;
}

/** Runs an attack on a task and judges what it found. */
const run: Run = async (task, attack) => {
  const search = searches[attack.name] as Search<Attack>;
  return judge(task, attack, await search(task, attack, run));
};

/** Images whose ball is a point stay as they are. */
async function runWherePositive(task: Task, attack: Attack): Promise<Verified> {
  const epsilon = task.epsilon!;
  const open = Uint32Array.from(epsilon.keys()).filter((i) => epsilon[i]! > 0);
  if (open.length === epsilon.length && open.length > 0) return run(task, attack);
  const adversarial = { ...task.images, data: task.images.data.slice() };
  if (open.length === 0) return judge(task, attack, { adversarial, zeroGradients: 0, forwards: 0, gradients: 0 });
  const found = await run(onlyImages(task, open), attack);
  putRows(adversarial, found.adversarial, open);
  return judge(task, attack, { ...found, adversarial });
}

/** What remains of smallest perturbations inside balls of given radii. */
const within = (task: Task, attack: Attack, smallest: Verified): Promise<Verified> | Verified =>
  task.epsilon === undefined ? smallest : judge(task, attack, smallest);
