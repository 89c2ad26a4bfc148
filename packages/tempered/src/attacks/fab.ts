import type { Value } from 'onnx-grad';
import { oneHot, scalar } from '../models/batching.ts';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { balls, type Norm } from '../optimize/ball.ts';
import { type Goal, writeJudgement } from '../optimize/judgement.ts';
import { clipToBox, eachImage } from '../optimize/project.ts';
import { createRandom } from '../random.ts';
import { rows, sizeOf, type Tensor } from '../tensor.ts';
import { cosineBetween } from './fmn.ts';
import { stepToHyperplane } from './hyperplane.ts';
import { nearest, rivalPairs, writeRivals } from './rivals.ts';
import type { Search, Task } from './search.ts';
import { checkCounts, checkSizes } from './settings.ts';
import { type Best, flat, NONE, type Open, searchSmallest, takeSteps, writeBest, writeDistance } from './smallest.ts';
import { wrongClasses } from './wrong-classes.ts';

export interface Fab {
  readonly name: 'fab';
  readonly norm: Norm;
  readonly steps: number;
  /** Runs: the very first from the original, all others from random points around it. */
  readonly restarts: number;
  /** Classes aimed at in turn, the strongest ones (FAB-T); 0: every step aims at the nearest boundary. */
  readonly targets: number;
  /** Classes whose boundaries are looked at in a step when there are no targets: the strongest ones. */
  readonly candidates: number;
  /** Largest share of the original in a step, α_max. */
  readonly bias: number;
  /** Extrapolation of the first and the last step, η; in between, half a cosine wave. */
  readonly overshoot: readonly [first: number, last: number];
  /** What is left of the way from the original after a success, β. */
  readonly backward: number;
  /** Steps of the search along the line between original and result. */
  readonly finalSearch: number;
}

export interface FabOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default 100. */
  steps?: number;
  /** Default 1. */
  restarts?: number;
  /** Default 0. AutoAttack uses 9. */
  targets?: number;
  /** Default 9. */
  candidates?: number;
  /** Default 0.1. */
  bias?: number;
  /** Default [1.05, 1.001]; the paper has 1.05 throughout. */
  overshoot?: readonly [first: number, last: number];
  /** Default 0.9. */
  backward?: number;
  /** Default 10; the paper has 3. */
  finalSearch?: number;
}

/**
 * Fast adaptive boundary attack: steps toward the projections of the present point and of the original on the nearest
 * linearised boundary, and back toward the original after every success. Croce & Hein 2020, algorithm 1; with
 * `targets`, FAB-T of Croce & Hein 2020b (AutoAttack), appendix B, whose cost does not grow with the number of classes.
 * The nearest boundary is the one that the smallest step inside the box reaches, where the paper measures without the
 * box; and what is extrapolated is the distance to the boundary, so that pixels at the edge of the box do not hold a
 * step back.
 *
 * @throws UsageError for counts that are not whole, and sizes that are not above 0
 * @example fab({ norm: 'l2', restarts: 5 })
 */
export function fab({
  norm = 'linf',
  steps = 100,
  restarts = 1,
  targets = 0,
  candidates = 9,
  bias = 0.1,
  overshoot = [1.05, 1.001],
  backward = 0.9,
  finalSearch = 10,
}: FabOptions = {}): Fab {
  checkCounts('FAB', { steps, restarts, candidates }, 1);
  checkCounts('FAB', { targets, finalSearch }, 0);
  checkSizes('FAB', { bias, overshoot, backward });
  return { name: 'fab', norm, steps, restarts, targets, candidates, bias, overshoot, backward, finalSearch };
}

export const searchFab: Search<Fab> = (task, attack) =>
  searchSmallest(task, attack.finalSearch, (open, nothing) => run(open, nothing, attack));

async function run(open: Open, nothing: Best, attack: Fab): Promise<Best> {
  const { task, goal } = open;
  const { name, norm, steps, restarts, targets, candidates, bias, overshoot, backward } = attack;
  const aimed = goal === 'away' && targets > 0;
  const aims = aimed ? await strongestFirst(open, targets) : [undefined];
  const count = goal === 'away' && !aimed ? Math.min(candidates, task.classifier.classes.length - 1) : 1;
  const options: StepOptions = { norm, goal, count, aimed, bias, backward };
  let known = nothing;
  for (const [turn, aim] of aims.entries()) {
    for (let restart = 0; restart < restarts; restart++) {
      const repetition = task.restart * restarts + restart;
      const start = repetition === 0 ? task.images : randomStart(task, known.best_distance, norm, turn, repetition);
      const { best, best_distance } = await takeSteps(open, {
        key: JSON.stringify([name, options]),
        write: (context, classifier) => writeStep(context, classifier, options),
        state: { x: start, ...known },
        constants: aim && { aim },
        steps,
        feeds: (step) => ({ overshoot: scalar(cosineBetween(overshoot, step, steps)) }),
        forwards: 2,
        gradients: count,
        countsZeros: turn === 0 && restart === 0,
      });
      known = { best: best!, best_distance: best_distance! };
    }
  }
  return known;
}

/** One-hot classes beside the label, by their logits at the original: [N, K] for each rank. */
async function strongestFirst({ task, total }: Open, most: number): Promise<Tensor[]> {
  const { classifier, images, labels, batchSize, imageNumbers, signal } = task;
  const classes = classifier.classes.length;
  const logits = await predictLogits(classifier, images, { batchSize, imageNumbers, signal });
  total.forwards += labels.length;
  const ranked = Array.from(labels, (label, i) => wrongClasses(rows(logits, i, i + 1).data, label));
  return Array.from({ length: Math.min(most, classes - 1) }, (_, rank) =>
    oneHot(
      ranked.map((others) => others[rank]!),
      classes,
    ),
  );
}

/** Radii around the original where nothing has been found yet: the defaults of AutoAttack. */
const WIDE: Readonly<Record<Norm, number>> = { linf: 0.3, l2: 1, l1: 5 };

/** Random points within half of the distance found so far, or of the radius of the ball where there is one. */
function randomStart(task: Task, distances: Tensor, norm: Norm, turn: number, repetition: number): Tensor {
  const { images, seed, imageNumbers, epsilon } = task;
  const data = images.data.slice();
  const size = sizeOf(images.shape.slice(1));
  const delta = new Float32Array(size);
  for (const [row, distance] of distances.data.entries()) {
    const random = createRandom(seed, 'fab', imageNumbers[row]!, repetition, turn);
    const reach = Math.min(distance < NONE ? distance : WIDE[norm], epsilon?.[row] ?? Infinity);
    balls[norm].randomPoint(delta, reach / 2, random);
    for (let i = 0; i < size; i++) data[row * size + i] = Math.min(1, Math.max(0, data[row * size + i]! + delta[i]!));
  }
  return { ...images, data };
}

interface StepOptions extends Pick<Fab, 'norm' | 'bias' | 'backward'> {
  readonly goal: Goal;
  /** Boundaries looked at. */
  readonly count: number;
  /** Whether the class beyond the boundary is given. */
  readonly aimed: boolean;
}

function writeStep({ g, batch, model }: ProgramContext, classifier: Classifier, options: StepOptions): void {
  const { norm, goal, count, aimed, bias, backward } = options;
  const shape = [batch, ...classifier.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const labels = [batch, classifier.classes.length];
  const target = g.input('target', 'float32', labels);
  const { logits } = model(x);
  const pairs = aimed ? [g.sub(g.input('aim', 'float32', labels), target)] : rivalPairs(g, logits, target, goal, count);
  const rivals = writeRivals(g, x, logits, pairs);
  g.output(g.reduceSum(g.abs(rivals.gradients), [1, 2]), 'gradient_size');

  const many = [batch, 1, sizeOf(classifier.inputShape)];
  const overshoot = g.input('overshoot', 'float32', []);
  const ahead = (margin: Value) => g.mul(g.neg(margin), overshoot);
  const steps = stepToHyperplane(g, norm, g.reshape(x, many), rivals.gradients, ahead(rivals.margins));
  const { delta, length, margin, normal } = nearest(g, steps.length, {
    delta: steps.delta,
    length: steps.length,
    margin: rivals.margins,
    normal: rivals.gradients,
  });
  const toOrigin = g.reduceSum(g.mul(normal, g.sub(flat(g, origin), flat(g, x))), [1], true);
  const fromOrigin = stepToHyperplane(g, norm, flat(g, origin), normal, ahead(g.add(margin, toOrigin)));
  const both = g.max(g.add(length, fromOrigin.length), g.constant(1e-30));
  const alpha = g.min(g.div(length, both), g.constant(bias));
  const near = g.add(flat(g, x), delta);
  const far = g.add(flat(g, origin), fromOrigin.delta);
  const mixed = g.add(near, g.mul(alpha, g.sub(far, near)));
  const moved = g.reshape(clipToBox(g, mixed), shape);

  const { success } = writeJudgement(g, model(moved).logits, target, goal);
  writeBest(g, moved, success, writeDistance(g, norm, moved, origin));
  const back = g.add(origin, g.scale(g.sub(moved, origin), backward));
  g.output(g.where(eachImage(g, success, x), back, moved), 'x_next');
}
