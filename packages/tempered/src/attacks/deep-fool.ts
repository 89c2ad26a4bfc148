import type { Classifier, ProgramContext } from '../models/classifier.ts';
import type { Norm } from '../optimize/ball.ts';
import { type Goal, writeJudgement } from '../optimize/judgement.ts';
import { clipToBox, eachImage } from '../optimize/project.ts';
import { filled, sizeOf } from '../tensor.ts';
import { stepToHyperplane } from './hyperplane.ts';
import { nearest, rivalPairs, writeRivals } from './rivals.ts';
import type { Search } from './search.ts';
import { checkCounts, checkSizes } from './settings.ts';
import { flat, searchSmallest, takeSteps, writeBest, writeDistance } from './smallest.ts';

export interface DeepFool {
  readonly name: 'deep-fool';
  readonly norm: Norm;
  readonly steps: number;
  /** Share by which a step passes the boundary it aims at, and the perturbation so far is lengthened. */
  readonly overshoot: number;
  /** Classes, beside the one to leave, whose boundaries are looked at: the strongest ones. */
  readonly candidates: number;
  /** Steps of a search along the line back to the original; the paper has none. */
  readonly finalSearch: number;
}

export interface DeepFoolOptions {
  /** Default `'l2'`. */
  norm?: Norm;
  /** At most so many; images that are done stop. Default 50. */
  steps?: number;
  /** Default 0.02. */
  overshoot?: number;
  /** Default 9. */
  candidates?: number;
  /** Default 0. */
  finalSearch?: number;
}

/**
 * Steps to the nearest boundary of the linearised classifier until the class changes. Moosavi-Dezfooli et al. 2016,
 * algorithm 2 (l2) and equation 10 with q = 1 (linf). Steps are the exact smallest ones inside the box [0, 1], where
 * the paper knows no box. Each step passes its boundary by the overshoot, and lengthens those before it by as much.
 *
 * @throws UsageError for counts that are not whole, and sizes that are not above 0
 * @example deepFool({ norm: 'linf' })
 */
export function deepFool({
  norm = 'l2',
  steps = 50,
  overshoot = 0.02,
  candidates = 9,
  finalSearch = 0,
}: DeepFoolOptions = {}): DeepFool {
  checkCounts('DeepFool', { steps, candidates }, 1);
  checkCounts('DeepFool', { finalSearch }, 0);
  checkSizes('DeepFool', { overshoot });
  return { name: 'deep-fool', norm, steps, overshoot, candidates, finalSearch };
}

export const searchDeepFool: Search<DeepFool> = (task, { name, norm, steps, overshoot, candidates, finalSearch }) =>
  searchSmallest(task, finalSearch, async (open, nothing) => {
    const { goal } = open;
    const { images, classifier } = open.task;
    const count = goal === 'toward' ? 1 : Math.min(candidates, classifier.classes.length - 1);
    const { best, best_distance } = await takeSteps(open, {
      key: JSON.stringify([name, norm, goal, overshoot, count]),
      write: (context, model) => writeStep(context, model, { norm, goal, overshoot, count }),
      state: { x: images, ...nothing, done: filled([images.shape[0]!], 0) },
      done: 'done',
      // The last step only judges where the one before it led.
      steps: steps + 1,
      gradients: count,
      countsZeros: true,
    });
    return { best: best!, best_distance: best_distance! };
  });

interface StepOptions {
  norm: Norm;
  goal: Goal;
  overshoot: number;
  count: number;
}

function writeStep(
  { g, batch, model }: ProgramContext,
  classifier: Classifier,
  { norm, goal, overshoot, count }: StepOptions,
): void {
  const shape = [batch, ...classifier.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  const { logits } = model(x);
  const { success } = writeJudgement(g, logits, target, goal);
  writeBest(g, x, success, writeDistance(g, norm, x, origin));
  const rivals = writeRivals(g, x, logits, rivalPairs(g, logits, target, goal, count));
  const size = sizeOf(classifier.inputShape);
  const gains = g.scale(g.neg(rivals.margins), 1 + overshoot);
  const step = stepToHyperplane(g, norm, g.reshape(x, [batch, 1, size]), rivals.gradients, gains);
  const { delta } = nearest(g, step.length, { delta: step.delta });
  const start = flat(g, origin);
  const lengthened = g.add(start, g.scale(g.sub(flat(g, x), start), 1 + overshoot));
  const moved = clipToBox(g, g.add(lengthened, delta));
  g.output(g.where(eachImage(g, success, x), x, g.reshape(moved, shape)), 'x_next');
  g.input('done', 'float32', [batch]);
  for (const name of ['done_next', 'succeeded']) g.output(g.cast(success, 'float32'), name);
  g.output(g.reduceSum(g.abs(rivals.gradients), [1, 2]), 'gradient_size');
}
