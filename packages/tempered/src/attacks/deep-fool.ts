import type { Classifier, ProgramContext } from '../models/classifier.ts';
import type { Norm } from '../optimize/ball.ts';
import { iterate } from '../optimize/iterate.ts';
import { sizeOf } from '../tensor.ts';
import { stepToHyperplane } from './hyperplane.ts';
import { nearest, rivalPairs, writeRivals } from './rivals.ts';
import type { Search } from './search.ts';
import {
  type Best,
  countZeros,
  flat,
  imageShape,
  ownRows,
  type Part,
  searchSmallest,
  writeBest,
  writeDistance,
  writeJudgement,
} from './smallest.ts';

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
 * @example deepFool({ norm: 'linf' })
 */
export function deepFool({
  norm = 'l2',
  steps = 50,
  overshoot = 0.02,
  candidates = 9,
  finalSearch = 0,
}: DeepFoolOptions = {}): DeepFool {
  return { name: 'deep-fool', norm, steps, overshoot, candidates, finalSearch };
}

export const searchDeepFool: Search<DeepFool> = (task, attack) =>
  searchSmallest(task, {
    steps: attack.steps,
    finalSearch: attack.finalSearch,
    search: (part, best) => run(part, best, attack),
  });

async function run(part: Part, best: Best, { name, norm, steps, overshoot, candidates }: DeepFool) {
  const { task, batch, origin, target, goal, images } = part;
  const count = goal === 'toward' ? 1 : Math.min(candidates, task.classifier.classes.length - 1);
  const program = await task.classifier.program(
    JSON.stringify([name, norm, goal, overshoot, count]),
    batch,
    (context) => writeStep(context, task.classifier, { norm, goal, overshoot, count }),
  );
  let [done, zeroGradients] = [0, 0];
  const { x, ...found } = await iterate(program, {
    state: { x: { dtype: 'float32', shape: images.shape, data: images.data }, ...best },
    constants: { origin, target },
    // The last step only judges where the one before it led.
    steps: steps + 1,
    fetch: (step) => ['success', ...(step === 0 ? ['gradient_size'] : [])],
    signal: task.signal,
    onStep: (step, { success, gradient_size: sizes }) => {
      if (step === 0) zeroGradients = countZeros(part, sizes!);
      done = step + 1;
      part.onStep();
      return ownRows(part, success!).every((value) => value === 1) ? 'stop' : undefined;
    },
  });
  if ('resident' in x!) x.release();
  return {
    best: found as Best,
    spent: { forwards: done, gradients: done * count, zeroGradients },
  };
}

interface StepOptions {
  norm: Norm;
  goal: 'away' | 'toward';
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
  const moved = g.op('Clip', [g.add(lengthened, delta), g.constant(0), g.constant(1)]);
  g.output(g.where(g.reshape(success, imageShape(x)), x, g.reshape(moved, shape)), 'x_next');
  g.output(g.cast(success, 'float32'), 'success');
  g.output(g.reduceSum(g.abs(rivals.gradients), [1, 2]), 'gradient_size');
}
