import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { scalar } from '../models/batching.ts';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { objectives } from '../objectives/objectives.ts';
import { type Goal, writeJudgement } from '../optimize/judgement.ts';
import { eachImage } from '../optimize/project.ts';
import { filled, type Tensor, zeros } from '../tensor.ts';
import { cosineBetween } from './fmn.ts';
import type { Search } from './search.ts';
import { checkAmounts, checkCounts, checkSizes } from './settings.ts';
import { type Best, flat, NONE, type Open, searchSmallest, takeSteps, writeBest, writeDistance } from './smallest.ts';

export interface CarliniWagner {
  readonly name: 'carlini-wagner';
  readonly norm: 'l2';
  /** Of Adam, for each weight c. */
  readonly steps: number;
  /** Of the first and the last step of a run; in between, half a cosine wave. */
  readonly learningRate: readonly [first: number, last: number];
  /** Margin to reach, κ; the final search keeps it. */
  readonly confidence: number;
  /** First weight c of the margin against the squared distance. */
  readonly weight: number;
  /** Weights tried on an image: times ten until one succeeds, then bisection. */
  readonly searchSteps: number;
  /** How far from 0 and 1 the search starts at least: from the very edge, the change of variables would not let it go. */
  readonly startMargin: number;
  /** Steps of a search along the line between original and result; the paper has none. */
  readonly finalSearch: number;
}

export interface CarliniWagnerOptions {
  /** Default 1000. */
  steps?: number;
  /** Default [0.01, 0.01], as in the paper. */
  learningRate?: readonly [first: number, last: number];
  /** Default 0. */
  confidence?: number;
  /** Default 0.001. */
  weight?: number;
  /** Default 9. */
  searchSteps?: number;
  /** In pixel units. Default 0.001. */
  startMargin?: number;
  /** Default 0. */
  finalSearch?: number;
}

/**
 * Minimises ‖x − x₀‖² + c · max(margin of the class over the best other, −κ) over w with x = (tanh w + 1) / 2, by Adam.
 * Carlini & Wagner 2017, §6.1 with f₆. Images whose objective stops falling leave a run early, each by itself. A weight
 * c has succeeded when an image is adversarial at the end of the run; in the published code also when it was so in
 * passing, with which the search settles on weights far too small.
 *
 * @throws UsageError for counts that are not whole, and sizes that are not above 0
 * @example carliniWagner({ confidence: 5 })
 */
export function carliniWagner({
  steps = 1000,
  learningRate = [0.01, 0.01],
  confidence = 0,
  weight = 1e-3,
  searchSteps = 9,
  startMargin = 1e-3,
  finalSearch = 0,
}: CarliniWagnerOptions = {}): CarliniWagner {
  checkCounts('Carlini-Wagner', { steps, searchSteps }, 1);
  checkCounts('Carlini-Wagner', { finalSearch }, 0);
  checkSizes('Carlini-Wagner', { learningRate, weight, startMargin });
  checkAmounts('Carlini-Wagner', { confidence });
  return {
    name: 'carlini-wagner',
    norm: 'l2',
    steps,
    learningRate,
    confidence,
    weight,
    searchSteps,
    startMargin,
    finalSearch,
  };
}

export const searchCarliniWagner: Search<CarliniWagner> = (task, attack) => {
  const search = async (open: Open, nothing: Best) => {
    const weights = Array.from(open.task.labels, () => ({ low: 0, high: Infinity, next: attack.weight }));
    let best = nothing;
    for (let search = 0; search < attack.searchSteps; search++) {
      const found = await minimise(open, best, weights, attack, search === 0);
      best = found.best;
      for (const [row, weight] of weights.entries()) narrow(weight, found.reached.data[row] === 1);
    }
    return best;
  };
  return searchSmallest(task, attack.finalSearch, search, attack.confidence);
};

/** The weights c known to fail and to succeed, and the next to try, of one image. */
interface Weight {
  low: number;
  high: number;
  next: number;
}

function narrow(weight: Weight, reached: boolean): void {
  if (reached) weight.high = Math.min(weight.high, weight.next);
  else weight.low = Math.max(weight.low, weight.next);
  weight.next = weight.high < Infinity ? (weight.low + weight.high) / 2 : weight.next * 10;
}

/** Checks for images that no longer improve, in each run. */
const CHECKS = 10;
const IMPROVEMENT = 0.9999;

/** One run of Adam for the given weights. */
async function minimise(
  open: Open,
  known: Best,
  weights: readonly Weight[],
  { name, confidence, steps, startMargin, learningRate }: CarliniWagner,
  countsZeros: boolean,
): Promise<{ best: Best; reached: Tensor }> {
  const { task, goal } = open;
  const count = weights.length;
  const interval = Math.max(1, Math.floor(steps / CHECKS));
  const start = inTanhSpace(task.images, startMargin);
  const { best, best_distance, reached } = await takeSteps(open, {
    key: JSON.stringify([name, goal, confidence]),
    write: (context, classifier) => writeStep(context, classifier, goal, confidence),
    state: {
      w: start,
      mean: zeros(start.shape),
      square: zeros(start.shape),
      reached: zeros([count]),
      lowest: filled([count], NONE),
      lowest_before: filled([count], NONE),
      done: zeros([count]),
      ...known,
    },
    done: 'done',
    constants: { start, weight: { shape: [count], data: Float32Array.from(weights, ({ next }) => next) } },
    steps,
    feeds: (step) => ({
      learning_rate: scalar(cosineBetween(learningRate, step, steps)),
      // On its way, the first steps of Adam overshoot: what counts is whether an image stays adversarial.
      remembers: scalar(step % interval === 0 ? 0 : 1),
      checks: scalar(step % interval === interval - 1 ? 1 : 0),
      // Adam's corrections of the means for their start at 0 (Kingma & Ba 2015, algorithm 1).
      mean_scale: scalar(1 / (1 - BETA1 ** (step + 1))),
      square_scale: scalar(1 / (1 - BETA2 ** (step + 1))),
    }),
    gradients: 1,
    countsZeros,
  });
  return { best: { best: best!, best_distance: best_distance! }, reached: reached! };
}

/** atanh(2x − 1), with x kept away from 0 and 1, where that is infinite. */
function inTanhSpace({ shape, data }: Tensor, margin: number): Tensor {
  return { shape, data: data.map((x) => Math.atanh(2 * Math.min(1 - margin, Math.max(margin, x)) - 1)) };
}

const BETA1 = 0.9;
const BETA2 = 0.999;

function writeStep({ g, batch, model }: ProgramContext, classifier: Classifier, goal: Goal, confidence: number): void {
  const shape = [batch, ...classifier.inputShape];
  const [w, origin, mean, square] = ['w', 'origin', 'mean', 'square'].map((name) =>
    g.input(name, 'float32', shape),
  ) as [Value, Value, Value, Value];
  const [weight, reached, done] = ['weight', 'reached', 'done'].map((name) => g.input(name, 'float32', [batch])) as [
    Value,
    Value,
    Value,
  ];
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);

  // Pixels that have not moved are exactly those of the original: Adam would blow up the gradient of a rounding error.
  const free = g.scale(g.offset(g.tanh(w), 1), 0.5);
  const unmoved = g.equal(w, g.input('start', 'float32', shape));
  const x = g.add(free, g.stopGradient(g.mask(unmoved, g.sub(origin, free))));
  const { logits } = model(x);
  const margin = objectives.margin.build(g, logits, target);
  const behind = goal === 'away' ? g.neg(margin) : margin;
  const hinge = g.relu(g.offset(behind, confidence));
  const change = g.reduceSum(flat(g, g.square(g.sub(x, origin))), [1]);
  const objective = g.add(change, g.mul(weight, hinge));
  const [slope] = gradient(g, { of: objective, wrt: [w] }) as [Value];
  g.output(g.reduceSum(g.abs(flat(g, slope)), [1]), 'gradient_size');

  const { success } = writeJudgement(g, logits, target, goal, confidence);
  const moving = g.less(done, g.constant(0.5));
  const counted = g.and(success, moving);
  writeBest(g, x, counted, writeDistance(g, 'l2', x, origin));
  const earlier = g.where(moving, g.mul(reached, g.input('remembers', 'float32', [])), reached);
  g.output(g.max(earlier, g.cast(counted, 'float32')), 'reached_next');
  writeAdam(g, { w, mean, square, slope, moving: eachImage(g, moving, w) });
  const next = g.max(done, writeStall(g, objective));
  for (const name of ['done_next', 'succeeded']) g.output(next, name);
}

/** 1 at a check where the lowest objective has hardly fallen since the check before. */
function writeStall(g: GraphBuilder, objective: Value): Value {
  const [seen, before] = ['lowest', 'lowest_before'].map((name) => g.input(name, 'float32', objective.shape)) as [
    Value,
    Value,
  ];
  const lowest = g.min(seen, objective);
  const checks = g.greater(g.input('checks', 'float32', []), g.constant(0.5));
  g.output(lowest, 'lowest_next');
  g.output(g.where(checks, lowest, before), 'lowest_before_next');
  return g.cast(g.and(checks, g.greater(lowest, g.scale(before, IMPROVEMENT))), 'float32');
}

function writeAdam(
  g: GraphBuilder,
  { w, mean, square, slope, moving }: Readonly<Record<'w' | 'mean' | 'square' | 'slope' | 'moving', Value>>,
): void {
  const nextMean = g.add(g.scale(mean, BETA1), g.scale(slope, 1 - BETA1));
  const nextSquare = g.add(g.scale(square, BETA2), g.scale(g.square(slope), 1 - BETA2));
  const corrected = g.sqrt(g.mul(nextSquare, g.input('square_scale', 'float32', [])));
  const step = g.div(g.mul(nextMean, g.input('mean_scale', 'float32', [])), g.offset(corrected, 1e-8));
  g.output(g.where(moving, g.sub(w, g.mul(step, g.input('learning_rate', 'float32', []))), w), 'w_next');
  g.output(nextMean, 'mean_next');
  g.output(nextSquare, 'square_next');
}
