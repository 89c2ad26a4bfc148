import { UsageError } from '../errors.ts';
import { chunks, feed, floats, oneHot, padRows, scalar } from '../models/batching.ts';
import { predictLogits } from '../models/predict.ts';
import type { Norm } from '../optimize/ball.ts';
import { randomStart } from '../optimize/optimize-input.ts';
import { type ProjectionName, projections } from '../optimize/project.ts';
import { copyRows, runStaged } from '../optimize/staged.ts';
import { createRandom } from '../random.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { rows, type Tensor, zeros } from '../tensor.ts';
import { type AutoPgdLoss, type AutoPgdStep, autoPgdState, MOMENTUM, writeAutoPgdStep } from './auto-pgd-step.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Search, Task } from './search.ts';

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
  for (const [what, value] of Object.entries({ steps, targets }))
    if (!Number.isInteger(value) || value < 1)
      throw new UsageError(`AutoPGD: the number of ${what} must be a whole number, 1 or more, not ${value}`);
  return { name: 'auto-pgd', norm, loss, steps, targets, projection, radii };
}

/** Croce & Hein 2021, §4.3. */
const ENLARGED = [
  { factor: 3, share: 0.3 },
  { factor: 2, share: 0.3 },
  { factor: 1, share: 0.4 },
] as const;

/** ρ of condition 1. */
const RISING_SHARE = 0.75;

/**
 * Steps after which progress is checked: intervals of 22 % of all, falling by 3 % to no less than 6 %. Croce & Hein 2020,
 * §3.2, rounded as in the authors' code.
 */
export function checkpoints(steps: number): number[] {
  const part = (share: number) => Math.max(1, Math.floor(share * steps + 1e-9));
  const result: number[] = [];
  for (let interval = part(0.22), at = interval; at <= steps; at += interval) {
    result.push(at);
    interval = Math.max(interval - part(0.03), part(0.06));
  }
  return result;
}

/** In l1 the intervals are all alike: 4 % of all steps. */
function sparsityCheckpoints(steps: number): number[] {
  const interval = Math.max(1, Math.floor(0.04 * steps + 1e-9));
  return Array.from({ length: Math.floor(steps / interval) }, (_, k) => (k + 1) * interval);
}

export const searchAutoPgd: Search<AutoPgd> = async (task, attack) => {
  if (attack.loss !== 'targeted-dlr' || task.targets) return ascend(task, attack, task.targets, task.restart);
  const logits = await predictLogits(task.classifier, task.images, task);
  const order = Array.from(task.labels, (label, i) => rivalsOf(rows(logits, i, i + 1).data, label));
  const adversarial = { ...task.images, data: task.images.data.slice() };
  const size = adversarial.data.length / order.length;
  const spent = { zeroGradients: 0, forwards: order.length, gradients: 0 };
  const turns = Math.min(attack.targets, order[0]?.length ?? 0);
  let left = Uint32Array.from(order.keys());
  for (let turn = 0; turn < turns && left.length > 0; turn++) {
    const targets = Int32Array.from(left, (i) => order[i]![turn]!);
    const found = await ascend(onlyImages(task, left), attack, targets, task.restart * turns + turn);
    for (const [k, i] of left.entries()) adversarial.data.set(rows(found.adversarial, k, k + 1).data, i * size);
    if (turn === 0) spent.zeroGradients = found.zeroGradients;
    spent.forwards += found.forwards;
    spent.gradients += found.gradients;
    left = left.filter((_, k) => found.success[k] === 0);
  }
  return { adversarial, ...spent };
};

/** Wrong classes, the likeliest first. */
const rivalsOf = (logits: Float32Array, label: number): number[] =>
  [...logits.keys()].filter((k) => k !== label).sort((a, b) => logits[b]! - logits[a]! || a - b);

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
  for (const [phase, { factor, share }] of attack.radii.entries()) {
    const last = phase === attack.radii.length - 1;
    const epsilon = column(task.epsilon!.map((radius) => factor * radius));
    if (norm === 'l1') x = await drawn(task, attack, x, epsilon);
    const steps = last
      ? attack.steps - attack.radii.slice(0, -1).reduce((sum, each) => sum + Math.floor(each.share * attack.steps), 0)
      : Math.floor(share * attack.steps);
    const start = autoPgdState(x, norm, column(epsilon.data.map((radius) => (norm === 'l1' ? 1 : 2) * radius)));
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
    const size = adversarial.data.length / count;
    for (const [i, found] of success.entries())
      if (found === 1) adversarial.data.set(rows(state.adversarial!, i, i + 1).data, i * size);
  }
  return { adversarial, success, ...spent };
}

const column = (data: ArrayLike<number>): Tensor => ({ shape: [data.length], data: Float32Array.from(data) });

/** What each iteration is fed: ρ times the steps since the last checkpoint where there is one, and the momentum. */
function schedule(norm: Norm, steps: number) {
  const at = norm === 'l1' ? sparsityCheckpoints(steps) : checkpoints(steps);
  return (step: number): Record<string, HostTensor> => {
    const index = at.indexOf(step);
    const interval = index < 0 ? -1 : step - (at[index - 1] ?? 0);
    const needed = scalar(index < 0 ? -1 : RISING_SHARE * interval);
    return norm === 'l1' ? { needed } : { needed, alpha: scalar(step === 0 ? 1 : MOMENTUM) };
  };
}

/** linf and l2: at distance ε before the box clips it; l1: normal noise, which is then drawn into the ball. */
function startOf({ images, epsilon, seed, imageNumbers }: Task, { norm }: AutoPgd, restart: number): Tensor {
  const count = images.shape[0]!;
  if (norm !== 'l1')
    return randomStart(images, { start: 0, end: count }, restart, {
      ...{ norm, seed, imageNumbers, randomStart: 'sphere' },
      epsilon: column(epsilon!),
    });
  const start = { ...images, data: images.data.slice() };
  const size = start.data.length / count;
  const noise = new Float32Array(size);
  for (let i = 0; i < count; i++) {
    createRandom(seed, 'start', imageNumbers[i]!, restart).fillNormal(noise, 0, 1);
    for (let p = 0; p < size; p++) start.data[i * size + p]! += noise[p]!;
  }
  return start;
}

/** The nearest points of the balls. */
async function drawn(
  { classifier, images, batchSize }: Task,
  attack: AutoPgd,
  x: Tensor,
  epsilon: Tensor,
): Promise<Tensor> {
  const { norm, projection } = attack;
  const plan = chunks(x.shape[0]!, batchSize, classifier.description);
  const program = await classifier.program(`project ${norm} ${projection}`, plan.batch, ({ g, batch }) => {
    const [from, origin] = ['x', 'origin'].map((name) => g.input(name, 'float32', [batch, ...classifier.inputShape]));
    const radius = g.reshape(g.input('epsilon', 'float32', [batch]), [batch, ...classifier.inputShape.map(() => 1)]);
    g.output(projections[projection][norm](g, from!, origin!, radius), 'projected');
  });
  const result = zeros(x.shape);
  for (const chunk of plan.chunks) {
    const padded = (tensor: Tensor) => feed(padRows(tensor, chunk, plan.batch));
    const { fetched } = await program.run({ x: padded(x), origin: padded(images), epsilon: padded(epsilon) });
    copyRows(fetched.projected!, chunk, result.data);
  }
  return result;
}

/** The sparsity that a smaller ball takes over from a larger one. */
function sparsityOf(x: Tensor, images: Tensor): Record<'share' | 'moved', Tensor> {
  const count = x.shape[0]!;
  const size = x.data.length / count;
  const moved = Float32Array.from({ length: count }, (_, i) => {
    let changed = 0;
    for (let p = i * size; p < (i + 1) * size; p++) if (x.data[p] !== images.data[p]) changed += 1;
    return changed;
  });
  return { share: column(moved.map((changed) => changed / size / 1.5)), moved: column(moved) };
}
