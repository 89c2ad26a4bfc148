import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { defaultBatchSize, feed, floats, oneHot, scalar } from '../models/batching.ts';
import type { ClassifierProgram } from '../models/classifier.ts';
import { balls, type Norm, perImage } from '../optimize/ball.ts';
import { clipToBox } from '../optimize/project.ts';
import { createRandom } from '../random.ts';
import { rows as rowsOf, sizeOf } from '../tensor.ts';
import { goalOf, writeMet, writeScore } from './goal.ts';
import { drawDirections, type NoiseTable, noiseTable, writeDirections } from './noise-table.ts';
import type { Search, Task } from './search.ts';
import { checkCounts } from './settings.ts';

/**
 * - `gaussian`: normal noise, in linf of standard deviation ε cut off at ±ε, in l2 and l1 scaled to length ε
 * - `uniform`: a uniform point of the linf ball
 * - `corners`: every pixel moved by +ε or −ε
 * - `salt-and-pepper`: each value becomes 0 or 1 with probability ε, which is no radius here but a share
 */
export type Noise =
  | { readonly name: 'noise'; readonly kind: 'gaussian'; readonly norm: Norm; readonly draws: number }
  | { readonly name: 'noise'; readonly kind: 'uniform' | 'corners'; readonly norm: 'linf'; readonly draws: number }
  | { readonly name: 'noise'; readonly kind: 'salt-and-pepper'; readonly draws: number };

export interface NoiseOptions {
  kind?: Noise['kind'];
  norm?: Norm;
  /** Default 1000. */
  draws?: number;
}

/**
 * Random perturbations, the baseline that every attack has to beat. Of all draws the worst for the classifier is kept;
 * an image that is broken costs no more draws.
 *
 * @throws UsageError for a kind of noise that the norm has no form of
 * @example noise({ kind: 'corners', draws: 10_000 })
 */
export function noise({ kind = 'gaussian', norm = 'linf', draws = 1000 }: NoiseOptions = {}): Noise {
  checkCounts('noise', { draws }, 1);
  if (kind === 'gaussian') return { name: 'noise', kind, norm, draws };
  if (kind === 'salt-and-pepper') return { name: 'noise', kind, draws };
  if (norm !== 'linf')
    throw new UsageError(`${kind} noise is defined for linf only: choose gaussian noise for ${norm}`);
  return { name: 'noise', kind, norm, draws };
}

export const searchNoise: Search<Noise> = async (task, attack) => {
  const { classifier, images, labels, epsilon, seed, signal, onProgress } = task;
  if (epsilon === undefined) throw new TypeError('noise needs the radius');
  const size = sizeOf(classifier.inputShape);
  const rows = defaultBatchSize(classifier.description);
  const table = await noiseTable(classifier.runtime, attack.kind === 'gaussian' ? 'normal' : 'uniform', size, seed);
  const adversarial = { ...images, data: images.data.slice() };
  let forwards = 0;
  try {
    const program = await compile(task, attack, table, rows);
    for (const i of labels.keys()) {
      signal?.throwIfAborted();
      const worst = await worstOfDraws(task, attack, { program, table, rows }, i);
      forwards += worst.forwards;
      adversarial.data.set(worst.x, i * size);
      onProgress?.({ stage: `${attack.kind} noise`, done: i + 1, total: labels.length });
    }
  } finally {
    table.values.release();
  }
  return { adversarial, zeroGradients: 0, forwards, gradients: 0 };
};

interface Compiled {
  readonly program: ClassifierProgram;
  readonly table: NoiseTable;
  readonly rows: number;
}

async function worstOfDraws(
  { classifier, images, labels, targets, epsilon, seed, restart, imageNumbers, signal }: Task,
  { kind, draws }: Noise,
  { program, table, rows }: Compiled,
  i: number,
): Promise<{ x: Float32Array; forwards: number }> {
  const random = createRandom(seed, 'noise', kind, imageNumbers[i]!, restart);
  const original = rowsOf(images, i, i + 1);
  const worst = { x: original.data, score: Number.NEGATIVE_INFINITY };
  let forwards = 0;
  for (let start = 0; start < draws; start += rows) {
    signal?.throwIfAborted();
    const used = Math.min(rows, draws - start);
    const feeds = {
      x: feed(original),
      table: table.values,
      epsilon: scalar(epsilon![i]!),
      target: feed(oneHot([(targets ?? labels)[i]!], classifier.classes.length)),
      ...drawDirections(random, table, { rows, used, pairs: false }),
    };
    const { fetched } = await program.run(feeds, { fetch: ['scores', 'met'] });
    const [scores, met] = [floats(fetched.scores!), floats(fetched.met!)];
    const first = met.subarray(0, used).indexOf(1);
    forwards += first < 0 ? used : first + 1;
    const best = first < 0 ? indexOfLargest(scores.subarray(0, used)) : first;
    if (first >= 0 || scores[best]! > worst.score) {
      const points = floats((await program.run(feeds, { fetch: ['points'] })).fetched.points!);
      worst.x = points.slice(best * worst.x.length, (best + 1) * worst.x.length);
      worst.score = scores[best]!;
    }
    if (first >= 0) break;
  }
  return { x: worst.x, forwards };
}

const indexOfLargest = (values: Float32Array): number =>
  values.reduce((best, v, i) => (v > values[best]! ? i : best), 0);

function compile(task: Task, attack: Noise, table: NoiseTable, rows: number): Promise<ClassifierProgram> {
  const { classifier } = task;
  const { inputShape, classes } = classifier;
  const goal = goalOf(task);
  const key = `noise ${JSON.stringify([attack.kind, 'norm' in attack && attack.norm, goal, table.windows])}`;
  return classifier.program(key, rows, ({ g, model }) => {
    const x = g.input('x', 'float32', [1, ...inputShape]);
    const epsilon = g.input('epsilon', 'float32', []);
    const target = g.expand(g.input('target', 'float32', [1, classes.length]), [rows, classes.length]);
    const drawn = writeDirections(g, table.windows + sizeOf(inputShape) - 1, rows, inputShape);
    const points = writeNoisy(g, attack, x, epsilon, drawn);
    const { logits } = model(points);
    g.output(points, 'points');
    g.output(writeScore(g, logits, target, goal), 'scores');
    g.output(writeMet(g, logits, target, goal), 'met');
  });
}

/** Writes noisy copies of one image, [rows, ...], from normal numbers or, for all kinds but the first, uniform ones in [−1, 1). */
function writeNoisy(g: GraphBuilder, attack: Noise, x: Value, epsilon: Value, drawn: Value): Value {
  const origin = g.expand(x, drawn.shape);
  const radius = g.reshape(
    epsilon,
    drawn.shape.map(() => 1),
  );
  const inBox = (delta: Value) => clipToBox(g, g.add(origin, delta));
  const inBoxes = (delta: Value) => balls.linf.project(g, g.add(origin, delta), origin, radius);
  switch (attack.kind) {
    case 'uniform':
      return inBoxes(g.mul(drawn, radius));
    case 'corners':
      return inBoxes(g.mul(g.sign(drawn), radius));
    case 'salt-and-pepper': {
      // The outer parts of [−1, 1), of length ε each: −1 … −1 + ε is pepper, 1 − ε … 1 is salt.
      const spared = g.greater(g.sub(g.constant(1), radius), g.abs(drawn));
      return g.where(spared, origin, g.cast(g.greater(drawn, g.constant(0)), 'float32'));
    }
    case 'gaussian': {
      if (attack.norm === 'linf') return inBoxes(g.mul(drawn, radius));
      const axes = perImage(drawn);
      const length =
        attack.norm === 'l2' ? g.sqrt(g.reduceSum(g.square(drawn), axes, true)) : g.reduceSum(g.abs(drawn), axes, true);
      return inBox(g.mul(g.div(drawn, length), radius));
    }
  }
}
