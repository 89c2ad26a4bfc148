import { floats, oneHot } from '../models/batching.ts';
import { predictLogits } from '../models/predict.ts';
import type { Norm } from '../optimize/ball.ts';
import type { ProjectionName } from '../optimize/project.ts';
import { runStaged } from '../optimize/staged.ts';
import { putRows, rows, type Tensor, takeRows } from '../tensor.ts';
import { schedule } from './auto-pgd-schedule.ts';
import { drawn, numbers, sparsityOf, startOf } from './auto-pgd-start.ts';
import { type AutoPgdLoss, type AutoPgdStep, autoPgdState, writeAutoPgdStep } from './auto-pgd-step.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Search, Task } from './search.ts';
import { checkCounts, checkSizes } from './settings.ts';
import { wrongClasses } from './wrong-classes.ts';

export interface AutoPgd {
  readonly name: 'auto-pgd';
  readonly norm: Norm;
  readonly loss: AutoPgdLoss;
  readonly steps: number;
  /** Targeted DLR: how many of the likeliest wrong classes are aimed at, one after the other. */
  readonly targets: number;
  readonly projection: ProjectionName;
  /** Radii over ε that are attacked one after the other, each with its share of the steps, each from where the last one ended. */
  readonly radii: readonly { readonly factor: number; readonly share: number }[];
}

export interface AutoPgdOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default `'cross-entropy'`. */
  loss?: AutoPgdLoss;
  /** Default 100. */
  steps?: number;
  /** Default 9, or as many as there are. */
  targets?: number;
  /** Default `'exact'`. */
  projection?: ProjectionName;
  /** Default ε alone; in l1, 3 ε and 2 ε for 30 % of the steps each, and ε for the rest. */
  radii?: AutoPgd['radii'];
}

/**
 * AutoPGD: projected gradient ascent with momentum whose step size follows the progress of each image. Croce & Hein 2020,
 * algorithm 1; in l1, Croce & Hein 2021, algorithms 1 and 2. The targeted DLR aims at the likeliest wrong classes in turn,
 * and an image is broken by whatever class it is taken for.
 *
 * @throws UsageError for a number of steps or targets that is not whole and above 0
 * @example restarts(autoPgd({ norm: 'l2', loss: 'dlr' }), 5)
 */
export function autoPgd({
  norm = 'linf',
  loss = 'cross-entropy',
  steps = 100,
  targets = 9,
  projection = 'exact',
  radii = norm === 'l1' ? ENLARGED : [{ factor: 1, share: 1 }],
}: AutoPgdOptions = {}): AutoPgd {
  checkCounts('AutoPGD', { steps, targets }, 1);
  checkSizes('AutoPGD', { radii: radii.flatMap(({ factor, share }) => [factor, share]) });
  return { name: 'auto-pgd', norm, loss, steps, targets, projection, radii };
}

/** Croce & Hein 2021, §4.3. */
const ENLARGED = [
  { factor: 3, share: 0.3 },
  { factor: 2, share: 0.3 },
  { factor: 1, share: 0.4 },
] as const;

export const searchAutoPgd: Search<AutoPgd> = async (task, attack) => {
  if (attack.loss !== 'targeted-dlr' || task.targets) return ascend(task, attack, task.targets, task.restart);
  const logits = await predictLogits(task.classifier, task.images, task);
  const order = Array.from(task.labels, (label, i) => wrongClasses(rows(logits, i, i + 1).data, label));
  const adversarial = { ...task.images, data: task.images.data.slice() };
  const spent = { zeroGradients: 0, forwards: order.length, gradients: 0 };
  const turns = Math.min(attack.targets, order[0]?.length ?? 0);
  let left = Uint32Array.from(order.keys());
  for (let turn = 0; turn < turns && left.length > 0; turn++) {
    const targets = Int32Array.from(left, (i) => order[i]![turn]!);
    const found = await ascend(onlyImages(task, left), attack, targets, task.restart * turns + turn);
    putRows(adversarial, found.adversarial, left);
    if (turn === 0) spent.zeroGradients = found.zeroGradients;
    spent.forwards += found.forwards;
    spent.gradients += found.gradients;
    left = left.filter((_, k) => found.success[k] === 0);
  }
  return { adversarial, ...spent };
};

/** One run from a random start. The task's own targets are to be reached; others only lend the loss their direction. */
async function ascend(
  task: Task,
  attack: AutoPgd,
  targets: Int32Array | undefined,
  restart: number,
): Promise<Found & { success: Uint8Array }> {
  const { classifier, images, labels } = task;
  const count = labels.length;
  const { norm, loss, projection } = attack;
  const step: AutoPgdStep = { norm, loss, projection, goal: task.targets ? 'toward' : 'away' };
  const classes = classifier.classes.length;
  const spent = { zeroGradients: 0, forwards: 0, gradients: 0 };
  let x = startOf(task, attack, restart);
  let known: Tensor | undefined;
  let adversarial = x;
  let success = new Uint8Array(count);
  for (const [phase, { factor, steps }] of phases(attack).entries()) {
    const last = phase === attack.radii.length - 1;
    const epsilon = numbers(task.epsilon!.map((radius) => factor * radius));
    if (norm === 'l1') x = await drawn(task, attack, x, epsilon);
    const start = autoPgdState(x, norm, numbers(epsilon.data.map((radius) => (norm === 'l1' ? 1 : 2) * radius)));
    const all = { x, ...start, ...(norm === 'l1' && known && sparsityOf(x, images)) };
    const { state, taken } = await runStaged(classifier, {
      program: (batch) =>
        classifier.program(`auto-pgd ${JSON.stringify(step)}`, batch, (context) =>
          writeAutoPgdStep(context, classifier, step),
        ),
      state: all,
      constants: {
        origin: images,
        epsilon,
        ...((step.goal === 'away' || loss === 'targeted-dlr') && { label: oneHot(labels, classes) }),
        ...((step.goal === 'toward' || loss === 'targeted-dlr') && { target: oneHot(targets!, classes) }),
      },
      count,
      // The last iterate is only looked at.
      steps: steps + 1,
      batchSize: task.batchSize,
      done: last ? 'found' : undefined,
      feeds: schedule(norm, steps),
      fetch: (at) => (at === 0 && phase === 0 ? ['gradient_size'] : []),
      onStep: ({ step: at, fetched, chunk }) => {
        if (at > 0 || phase > 0) return;
        const sizes = floats(fetched.gradient_size!).subarray(0, chunk.end - chunk.start);
        spent.zeroGradients += sizes.filter((size) => size === 0).length;
      },
      signal: task.signal,
      onProgress: task.onProgress,
    });
    spent.forwards += taken;
    spent.gradients += taken;
    known = state.best!;
    x = known;
    success = Uint8Array.from(state.found!.data);
    adversarial = { ...known, data: known.data.slice() };
    const broken = Uint32Array.from(success.keys()).filter((i) => success[i] === 1);
    putRows(adversarial, takeRows(state.adversarial!, broken), broken);
  }
  return { adversarial, success, ...spent };
}

/** The steps in each ball: all of them together, the last ball taking what rounding leaves. */
function phases({ radii, steps }: AutoPgd): { factor: number; steps: number }[] {
  let left = steps;
  return radii.map(({ factor, share }, phase) => {
    const own = phase === radii.length - 1 ? left : Math.min(left, Math.floor(share * steps));
    left -= own;
    return { factor, steps: own };
  });
}
