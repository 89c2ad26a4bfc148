import { UsageError } from '../errors.ts';
import { chunks, feed, floats, padRows } from '../models/batching.ts';
import type { ClassifierProgram } from '../models/classifier.ts';
import { balls, type Norm } from '../optimize/ball.ts';
import { eachImage } from '../optimize/project.ts';
import { copyRows } from '../optimize/staged.ts';
import { createRandom } from '../random.ts';
import { putRows, rows, type Tensor, takeRows } from '../tensor.ts';
import { type Estimator, openEstimator } from './direction-estimate.ts';
import { goalClasses, goalOf, writeMet } from './goal.ts';
import { onlyImages } from './only-images.ts';
import { type StepSize, stepSizeAt } from './pgd.ts';
import type { Search, Task } from './search.ts';
import { checkAmounts, checkCounts, checkSizes } from './settings.ts';

export interface Nes {
  readonly name: 'nes';
  readonly norm: Norm;
  readonly steps: number;
  /** Length of a step in pixel units, or `relative` times ε. */
  readonly stepSize: StepSize;
  /** Forward passes for each gradient estimate. */
  readonly samples: number;
  /** Length scale of the differences that gradients are estimated from, in pixel units. */
  readonly sigma: number;
  /** Share of the last direction that the next one keeps. */
  readonly momentum: number;
}

export interface NesOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default 100. */
  steps?: number;
  /** In pixel units. Default ε / 10. */
  stepSize?: number;
  /** Default 50. */
  samples?: number;
  /** Default 0.001. */
  sigma?: number;
  /** Default 0.9. */
  momentum?: number;
}

/**
 * Projected gradient descent on gradients estimated from scores alone: natural evolution strategies with antithetic
 * normal samples. Ilyas et al. 2018, "Black-box adversarial attacks with limited queries", §2. Climbs the margin, or with
 * targets the log-probability of the target; an image that is broken costs no more queries.
 *
 * Differs from the paper in that samples are clipped to [0, 1], as any service would, and weigh by what is left of them.
 *
 * @example nes({ norm: 'l2', steps: 200, samples: 100 })
 */
export function nes({
  norm = 'linf',
  steps = 100,
  stepSize,
  samples = 50,
  sigma = 0.001,
  momentum = 0.9,
}: NesOptions = {}): Nes {
  checkCounts('NES', { steps, samples }, 1);
  checkSizes('NES', { sigma });
  if (stepSize !== undefined) checkAmounts('NES', { stepSize });
  if (!(momentum >= 0 && momentum < 1))
    throw new UsageError(`NES: momentum must be at least 0 and below 1, not ${momentum}`);
  const length = stepSize === undefined ? { relative: 0.1 } : { absolute: stepSize };
  return { name: 'nes', norm, steps, stepSize: length, samples, sigma, momentum };
}

export const searchNes: Search<Nes> = async (task, attack) => {
  const { classifier, images, labels, epsilon, seed, restart, imageNumbers } = task;
  if (epsilon === undefined) throw new TypeError('an attack inside a ball needs the radius');
  const x = { ...images, data: images.data.slice() };
  const velocity = { ...images, data: new Float32Array(images.data.length) };
  const randoms = Array.from(labels, (_, i) => createRandom(seed, 'nes', imageNumbers[i]!, restart));
  let open = Uint32Array.from(labels.keys());
  let forwards = 0;
  const estimator = await openEstimator(classifier, {
    value: 'score',
    kind: 'normal',
    unit: false,
    pairs: true,
    goal: goalOf(task),
    seed,
  });
  try {
    for (let step = 0; step < attack.steps && open.length > 0; step++) {
      for (const i of open) {
        task.signal?.throwIfAborted();
        await accumulate(task, attack, estimator, { x, velocity, random: randoms[i]!, i });
      }
      const met = await move(task, attack, open, x, velocity);
      forwards += open.length * (attack.samples + 1);
      open = open.filter((_, k) => met[k] === 0);
      task.onProgress?.({ stage: 'NES', done: step + 1, total: attack.steps, detail: `${open.length} open` });
    }
  } finally {
    estimator.release();
  }
  return { adversarial: x, zeroGradients: 0, forwards, gradients: 0 };
};

/** Lets a new estimate into the direction of one image. */
async function accumulate(
  { labels, targets }: Task,
  { samples, sigma, momentum }: Nes,
  estimator: Estimator,
  at: { x: Tensor; velocity: Tensor; random: ReturnType<typeof createRandom>; i: number },
): Promise<void> {
  const { i, random } = at;
  const target = (targets ?? labels)[i]!;
  const estimate = await estimator.estimate(rows(at.x, i, i + 1).data, target, { radius: sigma, samples, random });
  const velocity = rows(at.velocity, i, i + 1).data;
  for (let p = 0; p < velocity.length; p++)
    velocity[p] = momentum * velocity[p]! + ((1 - momentum) * estimate[p]!) / sigma;
}

/** Takes one step with all open images and says which have been broken by it. */
async function move(task: Task, attack: Nes, open: Uint32Array, x: Tensor, velocity: Tensor): Promise<Uint8Array> {
  const { classifier, signal } = task;
  const part = onlyImages(task, open);
  const [from, direction] = [x, velocity].map((tensor) => takeRows(tensor, open));
  const lengths = part.epsilon!.map((epsilon) => stepSizeAt(attack, epsilon));
  const plan = chunks(open.length, task.batchSize, classifier.description);
  const program = await compile(task, attack, plan.batch);
  const broken = new Uint8Array(open.length);
  for (const chunk of plan.chunks) {
    signal?.throwIfAborted();
    const padded = (tensor: Tensor) => feed(padRows(tensor, chunk, plan.batch));
    const numbers = (list: Float64Array) => padded({ shape: [list.length], data: Float32Array.from(list) });
    const { fetched } = await program.run({
      x: padded(from!),
      direction: padded(direction!),
      origin: padded(part.images),
      epsilon: numbers(part.epsilon!),
      step_size: numbers(lengths),
      target: goalClasses(part, chunk, plan.batch),
    });
    const next = { shape: fetched.x_next!.shape, data: floats(fetched.x_next!) };
    putRows(x, next, open.subarray(chunk.start, chunk.end));
    copyRows(fetched.met!, chunk, broken);
  }
  return broken;
}

function compile(task: Task, { norm }: Nes, batch: number): Promise<ClassifierProgram> {
  const { classifier } = task;
  const goal = goalOf(task);
  return classifier.program(`step of nes ${norm} ${goal}`, batch, ({ g, model }) => {
    const image = [batch, ...classifier.inputShape];
    const [x, direction, origin] = ['x', 'direction', 'origin'].map((name) => g.input(name, 'float32', image));
    const [epsilon, length] = ['epsilon', 'step_size'].map((name) =>
      eachImage(g, g.input(name, 'float32', [batch]), x!),
    );
    const target = g.input('target', 'float32', [batch, classifier.classes.length]);
    const next = balls[norm].project(g, balls[norm].step(g, x!, direction!, length!), origin!, epsilon!);
    g.output(next, 'x_next');
    g.output(writeMet(g, model(next).logits, target, goal), 'met');
  });
}
