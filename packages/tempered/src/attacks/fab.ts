import type { Value } from 'onnx-grad';
import { feed, floats, oneHot, padLabels, scalar } from '../models/batching.ts';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { predictLogits } from '../models/predict.ts';
import { balls, type Norm } from '../optimize/ball.ts';
import { iterate, releaseAll } from '../optimize/iterate.ts';
import { createRandom } from '../random.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { rows, sizeOf, type Tensor } from '../tensor.ts';
import { cosineBetween } from './fmn.ts';
import { stepToHyperplane } from './hyperplane.ts';
import { nearest, rivalPairs, writeRivals } from './rivals.ts';
import type { Search } from './search.ts';
import {
  type Best,
  countZeros,
  flat,
  imageShape,
  isFound,
  type Part,
  searchSmallest,
  writeBest,
  writeDistance,
  writeJudgement,
} from './smallest.ts';

export interface Fab {
  readonly name: 'fab';
  readonly norm: Norm;
  readonly steps: number;
  /** Runs from the original (the first) and from random points around it. */
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
  return { name: 'fab', norm, steps, restarts, targets, candidates, bias, overshoot, backward, finalSearch };
}

export const searchFab: Search<Fab> = (task, attack) =>
  searchSmallest(task, {
    steps: attack.steps * attack.restarts * Math.max(1, task.targets ? 1 : attack.targets),
    finalSearch: attack.finalSearch,
    search: (part, best) => searchPart(part, best, attack),
  });

async function searchPart(part: Part, best: Best, attack: Fab) {
  const { task, batch, origin, target, goal } = part;
  const { classes } = task.classifier;
  const aims = goal === 'away' && attack.targets > 0 ? await strongestFirst(part, attack.targets) : [undefined];
  const count = goal === 'away' && attack.targets === 0 ? Math.min(attack.candidates, classes.length - 1) : 1;
  const { name, norm, steps, bias, overshoot, backward } = attack;
  const options: StepOptions = { norm, goal, count, aimed: aims[0] !== undefined, bias, backward };
  const key = JSON.stringify([name, options]);
  const program = await task.classifier.program(key, batch, (context) => writeStep(context, task.classifier, options));
  let known = best;
  let zeroGradients = 0;
  for (const [turn, aim] of aims.entries()) {
    for (let restart = 0; restart < attack.restarts; restart++) {
      const start = restart === 0 ? part.images : await randomStart(part, known, attack, turn, restart);
      const { x, ...found } = await iterate(program, {
        state: { x: feed(start), ...known },
        constants: { origin, target, ...(aim && { aim }) },
        steps,
        feeds: (step) => ({ overshoot: scalar(cosineBetween(overshoot, step, steps)) }),
        fetch: (step) => (step === 0 && turn === 0 && restart === 0 ? ['gradient_size'] : []),
        signal: task.signal,
        onStep: (_, { gradient_size: sizes }) => {
          if (sizes) zeroGradients = countZeros(part, sizes);
          part.onStep();
        },
      });
      releaseAll({ x: x! });
      known = found as Best;
    }
  }
  const all = aims.length * attack.restarts * steps;
  return { best: known, spent: { forwards: 2 * all + (options.aimed ? 1 : 0), gradients: all * count, zeroGradients } };
}

/** One-hot classes beside the label, by their logits at the original: [batch, K] for each rank. */
async function strongestFirst({ task, chunk, batch }: Part, most: number): Promise<HostTensor[]> {
  const classes = task.classifier.classes.length;
  const { data } = await predictLogits(task.classifier, rows(task.images, chunk.start, chunk.end), {
    batchSize: batch,
    signal: task.signal,
  });
  const ranked = Array.from({ length: chunk.end - chunk.start }, (_, row) => {
    const others = Array.from({ length: classes }, (_, k) => k).filter((k) => k !== task.labels[chunk.start + row]);
    return others.sort((a, b) => data[row * classes + b]! - data[row * classes + a]!);
  });
  return Array.from({ length: Math.min(most, classes - 1) }, (_, rank) => {
    const aims = Int32Array.from(ranked, (others) => others[rank]!);
    return feed(oneHot(padLabels(aims, { start: 0, end: aims.length }, batch), classes));
  });
}

/** Radii around the original where nothing has been found yet: the defaults of AutoAttack. */
const WIDE: Readonly<Record<Norm, number>> = { linf: 0.3, l2: 1, l1: 5 };

/** Random points within half of the distance found so far. */
async function randomStart(part: Part, known: Best, { norm, restarts }: Fab, turn: number, restart: number) {
  const { task, chunk, images } = part;
  const distances = 'resident' in known.best_distance ? await known.best_distance.read() : known.best_distance;
  const start: Tensor = { ...images, data: images.data.slice() };
  const size = sizeOf(images.shape.slice(1));
  const delta = new Float32Array(size);
  for (let row = 0; row < chunk.end - chunk.start; row++) {
    const distance = floats(distances)[row]!;
    const random = createRandom(
      task.seed,
      'fab',
      task.imageNumbers[chunk.start + row]!,
      task.restart * restarts + restart,
      turn,
    );
    balls[norm].randomPoint(delta, (isFound(distance) ? distance : WIDE[norm]) / 2, random);
    for (let i = 0; i < size; i++)
      start.data[row * size + i] = Math.min(1, Math.max(0, start.data[row * size + i]! + delta[i]!));
  }
  return start;
}

interface StepOptions extends Pick<Fab, 'norm' | 'bias' | 'backward'> {
  readonly goal: 'away' | 'toward';
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
  const moved = g.reshape(g.op('Clip', [mixed, g.constant(0), g.constant(1)]), shape);

  const { success } = writeJudgement(g, model(moved).logits, target, goal);
  writeBest(g, moved, success, writeDistance(g, norm, moved, origin));
  const back = g.add(origin, g.scale(g.sub(moved, origin), backward));
  g.output(g.where(g.reshape(success, imageShape(x)), back, moved), 'x_next');
}
