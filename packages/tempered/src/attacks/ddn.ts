import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { scalar } from '../models/batching.ts';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { type ObjectiveName, objectives } from '../objectives/objectives.ts';
import { balls } from '../optimize/ball.ts';
import { type Goal, writeJudgement } from '../optimize/judgement.ts';
import { clipToBox } from '../optimize/project.ts';
import { filled } from '../tensor.ts';
import { cosineBetween } from './fmn.ts';
import type { Search } from './search.ts';
import { checkCounts, checkSizes } from './settings.ts';
import { flat, searchSmallest, takeSteps, writeBest, writeDistance } from './smallest.ts';

export interface Ddn {
  readonly name: 'ddn';
  readonly norm: 'l2';
  readonly loss: ObjectiveName;
  readonly steps: number;
  /** Radius of the first sphere. */
  readonly radius: number;
  /** Share by which the radius grows and shrinks, γ. */
  readonly radiusChange: number;
  /** Length of the first and the last step, α; in between, half a cosine wave. */
  readonly stepSize: readonly [first: number, last: number];
  /** Steps of a search along the line between original and result; the paper has none. */
  readonly finalSearch: number;
}

export interface DdnOptions {
  /** Default `'cross-entropy'`. */
  loss?: ObjectiveName;
  /** Default 100. */
  steps?: number;
  /** In pixel units. Default 1. */
  radius?: number;
  /** Default 0.05. */
  radiusChange?: number;
  /** In pixel units. Default [1, 0.01]. */
  stepSize?: readonly [first: number, last: number];
  /** Default 0. */
  finalSearch?: number;
}

/**
 * Decoupled direction and norm: gradient steps along the surface of a sphere whose radius shrinks while the image is
 * adversarial and grows while it is not. Rony et al. 2019, algorithm 1, without rounding to 8 bits. Where the box cuts
 * the perturbation, the other pixels are lengthened until it reaches the sphere again: the paper clips.
 *
 * @throws UsageError for counts that are not whole, and sizes that are not above 0
 * @example ddn({ steps: 1000 })
 */
export function ddn({
  loss = 'cross-entropy',
  steps = 100,
  radius = 1,
  radiusChange = 0.05,
  stepSize = [1, 0.01],
  finalSearch = 0,
}: DdnOptions = {}): Ddn {
  checkCounts('DDN', { steps }, 1);
  checkCounts('DDN', { finalSearch }, 0);
  checkSizes('DDN', { radius, radiusChange, stepSize });
  return { name: 'ddn', norm: 'l2', loss, steps, radius, radiusChange, stepSize, finalSearch };
}

export const searchDdn: Search<Ddn> = (task, { name, loss, steps, radius, radiusChange, stepSize, finalSearch }) =>
  searchSmallest(task, finalSearch, async (open, nothing) => {
    const { goal } = open;
    const { images } = open.task;
    const { best, best_distance } = await takeSteps(open, {
      key: JSON.stringify([name, loss, goal]),
      write: (context, classifier) => writeStep(context, classifier, loss, goal),
      state: { x: images, radius: filled([images.shape[0]!], radius), ...nothing },
      // The last step only judges where the one before it led.
      steps: steps + 1,
      feeds: (step) => ({
        step_size: scalar(cosineBetween(stepSize, step, steps)),
        change: scalar(radiusChange),
      }),
      gradients: 1,
      countsZeros: true,
    });
    return { best: best!, best_distance: best_distance! };
  });

function writeStep({ g, batch, model }: ProgramContext, classifier: Classifier, loss: ObjectiveName, goal: Goal): void {
  const shape = [batch, ...classifier.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  const radius = g.input('radius', 'float32', [batch]);
  const [stepSize, change] = ['step_size', 'change'].map((name) => g.input(name, 'float32', [])) as [Value, Value];

  const { logits } = model(x);
  const { success } = writeJudgement(g, logits, target, goal);
  const { build, rises } = objectives[loss];
  const [slope] = gradient(g, { of: build(g, logits, target), wrt: [x] }) as [Value];
  g.output(g.reduceSum(g.abs(flat(g, slope)), [1]), 'gradient_size');
  writeBest(g, x, success, writeDistance(g, 'l2', x, origin));

  const one = g.constant(1);
  const next = g.mul(radius, g.where(success, g.sub(one, change), g.add(one, change)));
  g.output(next, 'radius_next');
  const length = g.expand(stepSize, [batch, ...classifier.inputShape.map(() => 1)]);
  const moved = balls.l2.step(g, x, rises === goal ? slope : g.neg(slope), length);
  const start = flat(g, origin);
  const delta = ontoSphere(g, start, g.sub(flat(g, moved), start), g.reshape(next, [batch, 1]));
  g.output(g.reshape(clipToBox(g, g.add(start, delta)), shape), 'x_next');
}

/** Newton steps on the factor of the pixels inside the box: each ties at least one more to its edge, mostly many. */
const NEWTON_STEPS = 6;

/** δ lengthened or shortened to the radius, the pixels that the box stops excepted; x + δ lies in the box. */
function ontoSphere(g: GraphBuilder, x: Value, delta: Value, radius: Value): Value {
  const zero = g.constant(0);
  const tiny = g.constant(1e-30);
  const size = g.abs(delta);
  const edge = g.where(g.greater(delta, zero), g.sub(g.constant(1), x), x);
  let factor = g.div(radius, g.max(g.sqrt(g.reduceSum(g.square(size), [1], true)), tiny));
  for (let i = 0; i < NEWTON_STEPS; i++) {
    const free = g.less(g.mul(size, factor), edge);
    const tied = g.reduceSum(g.square(g.mask(g.not(free), edge)), [1], true);
    const rest = g.reduceSum(g.square(g.mask(free, size)), [1], true);
    const left = g.relu(g.sub(g.square(radius), tied));
    factor = g.min(g.max(factor, g.sqrt(g.div(left, g.max(rest, tiny)))), g.constant(1e15));
  }
  return g.mul(g.sign(delta), g.min(g.mul(size, factor), edge));
}
