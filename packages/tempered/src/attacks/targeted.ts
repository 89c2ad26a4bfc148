import { UsageError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import type { Work } from '../progress.ts';
import { createRandom } from '../random.ts';
import { rows, type Tensor } from '../tensor.ts';
import type { Attack } from './attack.ts';
import { searchInTurn } from './in-turn.ts';
import type { Search, Task } from './search.ts';
import { wrongClasses } from './wrong-classes.ts';

/**
 * Which class to aim at:
 * - `'runner-up'`: the likeliest wrong class of the unperturbed image
 * - `'least-likely'`: the unlikeliest
 * - `'random'`: any wrong class, by the seed and the number of the image
 * - `{ top: k }`: the k likeliest wrong classes in turn, the likeliest first; `'all'`: every wrong class in turn
 * - `{ class: k }`: always this class
 * - `{ list }`: the class at the number of the image in its data set
 */
export type TargetPolicy =
  | 'runner-up'
  | 'least-likely'
  | 'random'
  | 'all'
  | { readonly top: number }
  | { readonly class: number }
  | { readonly list: readonly number[] };

export interface Targeted {
  readonly name: 'targeted';
  readonly attack: Attack;
  readonly policy: TargetPolicy;
}

/**
 * An attack that aims at a class of its own choice. It serves untargeted evaluation too: an image is broken as soon as it
 * is misclassified, as the target or otherwise. To ask for the target itself, give `perturb` the `targets`
 * (`chooseTargets` makes them). Images whose target is their true class are left alone.
 *
 * @example worstCase([pgd(), targeted(pgd({ loss: 'margin' }), { top: 9 })])
 */
export const targeted = (attack: Attack, policy: TargetPolicy): Targeted => ({ name: 'targeted', attack, policy });

/** What a function that chooses targets is told of an image. */
export interface TargetChoice {
  readonly label: number;
  /** [K] */
  readonly logits: Float32Array;
  /** Position in the list of images. */
  readonly index: number;
}

/**
 * Targets by a function of the caller, as plain numbers for `perturb`'s `targets` or, for images numbered from 0, for the
 * policy `{ list }`.
 *
 * @throws UsageError when the function returns anything but a class
 * @example
 * const list = await chooseTargets(classifier, { images, labels, choose: ({ label }) => (label + 1) % 10 });
 */
export async function chooseTargets(
  classifier: Classifier,
  options: Work & { images: Tensor; labels: ArrayLike<number>; choose: (choice: TargetChoice) => number },
): Promise<number[]> {
  const { images, labels, choose, signal, onProgress } = options;
  const logits = await predictLogits(classifier, images, { signal, onProgress });
  return Array.from(labels, (label, index) => {
    const chosen = choose({ label, logits: rows(logits, index, index + 1).data, index });
    checkClass(classifier, chosen);
    return chosen;
  });
}

export const searchTargeted: Search<Targeted> = async (task, { attack, policy }, run) => {
  if (task.targets)
    throw new UsageError("targets were given, and 'targeted' chooses its own: attack with one or the other");
  const logits = needsLogits(policy) ? await predictLogits(task.classifier, task.images, task) : undefined;
  const turns = Array.from(task.labels, (_, i) => targetsOf(task, policy, i, logits && rows(logits, i, i + 1).data));
  const attempts = Array.from({ length: turns.reduce((most, turn) => Math.max(most, turn.length), 0) }, (_, turn) => ({
    attack,
    targets: Int32Array.from(turns, (classes, i) => {
      const target = classes[turn];
      return target === undefined || target === task.labels[i] ? -1 : target;
    }),
  }));
  const found = await searchInTurn(task, attempts, run);
  return { ...found, forwards: found.forwards + (logits ? task.labels.length : 0) };
};

const needsLogits = (policy: TargetPolicy): boolean =>
  typeof policy === 'string' ? policy !== 'random' : 'top' in policy;

/** The classes that one image is to be moved to, in turn. */
function targetsOf(task: Task, policy: TargetPolicy, index: number, logits?: Float32Array): number[] {
  const { classifier, seed, restart } = task;
  const label = task.labels[index]!;
  const number = task.imageNumbers[index]!;
  if (policy === 'random') {
    const other = createRandom(seed, 'target', number, restart).integer(classifier.classes.length - 1);
    return [other < label ? other : other + 1];
  }
  if (typeof policy === 'object' && 'class' in policy) return [checkClass(classifier, policy.class)];
  if (typeof policy === 'object' && 'list' in policy) {
    const target = policy.list[number];
    if (target === undefined)
      throw new UsageError(`the list of targets has ${policy.list.length} entries, and none for image ${number}`);
    return [checkClass(classifier, target)];
  }
  const others = wrongClasses(logits!, label);
  if (policy === 'runner-up') return others.slice(0, 1);
  if (policy === 'least-likely') return others.slice(-1);
  if (policy === 'all') return others;
  if (!Number.isInteger(policy.top) || policy.top < 1)
    throw new UsageError(`the number of targets must be a whole number, 1 or more, not ${policy.top}`);
  return others.slice(0, policy.top);
}

function checkClass({ classes, description }: Classifier, target: number): number {
  if (!Number.isInteger(target) || target < 0 || target >= classes.length)
    throw new UsageError(
      `the target class ${target} is out of range: '${description.name}' has classes 0 to ${classes.length - 1}`,
    );
  return target;
}
