/** @file What attacks that look for the smallest perturbation share: who takes part, the best found so far, the final search. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { oneHot, scalar } from '../models/batching.ts';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import type { Norm } from '../optimize/ball.ts';
import { type Goal, writeJudgement } from '../optimize/judgement.ts';
import { clipToBox, eachImage } from '../optimize/project.ts';
import { copyRows, type Rows, runStaged, type StagedOptions } from '../optimize/staged.ts';
import { filled, putRows, sizeOf, type Tensor, zeros } from '../tensor.ts';
import { goalOf } from './goal.ts';
import { lengths } from './hyperplane.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Task } from './search.ts';

/** The images that an attack is to find something for. */
export interface Open {
  readonly task: Task;
  /** One-hot: the classes to leave, or with targets the ones to reach, [N, K]. */
  readonly target: Tensor;
  readonly goal: Goal;
  /** What has been spent. */
  readonly total: { forwards: number; gradients: number; zeroGradients: number };
}

/** The nearest adversarial image known, and its distance. */
export type Best = Readonly<Record<'best' | 'best_distance', Tensor>>;

/**
 * Searches for the images that the judge does not already get wrong; those stay as they are.
 *
 * @param finalSearch steps along the line from what was found to the original, no nearer than where the margin is
 *   `confidence`
 */
export async function searchSmallest(
  task: Task,
  finalSearch: number,
  search: (open: Open, best: Best) => Promise<Best>,
  confidence = 0,
): Promise<Found> {
  const { judge, images, labels, targets, batchSize, imageNumbers, signal } = task;
  const predictions = await predict(judge, images, { batchSize, imageNumbers, signal });
  const right = Uint32Array.from(labels.keys()).filter((i) =>
    targets ? predictions[i] !== targets[i] : predictions[i] === labels[i],
  );
  const adversarial = { ...images, data: images.data.slice() };
  const total = { forwards: labels.length, gradients: 0, zeroGradients: 0 };
  if (right.length === 0) return { adversarial, ...total };
  const part = onlyImages(task, right);
  const classes = oneHot(part.targets ?? part.labels, task.classifier.classes.length);
  const open: Open = { task: part, target: classes, goal: goalOf(task), total };
  const nothing = { best: part.images, best_distance: filled([right.length], NONE) };
  const best = await search(open, nothing);
  const found = finalSearch > 0 ? await alongTheLine(open, best.best, finalSearch, confidence) : best.best;
  putRows(adversarial, found, right);
  return { adversarial, ...total };
}

/** Distance of an image for which nothing has been found. */
export const NONE = 1e30;

interface Steps extends Pick<StagedOptions, 'steps' | 'feeds' | 'done'> {
  /** Names what `write` writes. */
  readonly key: string;
  readonly write: (context: ProgramContext, classifier: Classifier) => void;
  readonly state: Rows;
  readonly constants?: Rows;
  /** Gradients of a step. */
  readonly gradients: number;
  /** Forward passes of a step. Default 1. */
  readonly forwards?: number;
  /** Whether the program outputs the size of its gradients, [N], and images whose first is exactly 0 are to be counted. */
  readonly countsZeros?: boolean;
}

/** Runs a step on all images; it reads `origin` and `target` beside the constants and the state. */
export async function takeSteps({ task, target, total }: Open, steps: Steps): Promise<Rows> {
  const { key, write, constants, gradients, forwards = 1, countsZeros = false, ...rest } = steps;
  const { classifier, images, batchSize, signal, onProgress } = task;
  const { state, taken } = await runStaged(classifier, {
    ...rest,
    program: (batch) => classifier.program(key, batch, (context) => write(context, classifier)),
    constants: { origin: images, target, ...constants },
    count: images.shape[0]!,
    batchSize,
    signal,
    onProgress,
    fetch: (step) => (countsZeros && step === 0 ? ['gradient_size'] : []),
    onStep: ({ chunk, fetched: { gradient_size: size } }) => {
      if (size === undefined) return;
      const sizes = new Float32Array(chunk.end);
      copyRows(size, chunk, sizes);
      total.zeroGradients += sizes.subarray(chunk.start).filter((value) => value === 0).length;
    },
  });
  total.forwards += taken * forwards;
  total.gradients += taken * gradients;
  return state;
}

/** [N, ...] as [N, D]. */
export const flat = (g: GraphBuilder, x: Value): Value => g.reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]);

/** ‖x − origin‖ of each image, [N]. */
export const writeDistance = (g: GraphBuilder, norm: Norm, x: Value, origin: Value): Value =>
  g.squeeze(lengths(g, norm, flat(g, g.sub(x, origin))), [1]);

/** Declares the state `best`, `best_distance` and replaces it where x is adversarial and nearer. */
export function writeBest(g: GraphBuilder, x: Value, success: Value, distance: Value): { distance: Value } {
  const best = g.input('best', 'float32', x.shape);
  const known = g.input('best_distance', 'float32', distance.shape);
  const better = g.and(success, g.less(distance, known));
  g.output(g.where(eachImage(g, better, x), x, best), 'best_next');
  const next = g.where(better, distance, known);
  g.output(next, 'best_distance_next');
  return { distance: next };
}

/**
 * Moves each image along the line to its original as far as it stays adversarial: by turns to where the margin would
 * be 0 were it linear between the ends known, and to their middle (the final search of Croce & Hein 2020, §3.3).
 */
async function alongTheLine(open: Open, best: Tensor, steps: number, confidence: number): Promise<Tensor> {
  const { goal } = open;
  const count = best.shape[0]!;
  const { low_margin, margin } = await takeSteps(open, {
    key: `ends ${goal} ${confidence}`,
    write: (context, classifier) => writeEnds(context, classifier, goal, confidence),
    state: { x: best, low_margin: zeros([count]), margin: zeros([count]) },
    steps: 1,
    forwards: 2,
    gradients: 0,
  });
  const { x } = await takeSteps(open, {
    key: `line ${goal} ${confidence}`,
    write: (context, classifier) => writeLine(context, classifier, goal, confidence),
    state: { x: best, low: zeros([count]), low_margin: low_margin!, margin: margin! },
    steps,
    feeds: (step) => ({ linear: scalar(step % 2 === 0 ? 1 : 0) }),
    gradients: 0,
  });
  return x!;
}

/** Margins at the original and at the best image. */
function writeEnds({ g, batch, model }: ProgramContext, classifier: Classifier, goal: Goal, confidence: number): void {
  const [x, origin] = ['x', 'origin'].map((name) => g.input(name, 'float32', [batch, ...classifier.inputShape])) as [
    Value,
    Value,
  ];
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  g.output(x, 'x_next');
  for (const [at, name] of [
    [origin, 'low_margin'],
    [x, 'margin'],
  ] as const) {
    g.input(name, 'float32', [batch]);
    g.output(writeJudgement(g, model(at).logits, target, goal, confidence).excess, `${name}_next`);
  }
}

/** The line from the original, 0, to the best image, 1. `low` is the farthest point known that is not adversarial. */
function writeLine({ g, batch, model }: ProgramContext, classifier: Classifier, goal: Goal, confidence: number): void {
  const shape = [batch, ...classifier.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  const [low, lowMargin, margin] = ['low', 'low_margin', 'margin'].map((name) => g.input(name, 'float32', [batch])) as [
    Value,
    Value,
    Value,
  ];
  const width = g.sub(g.constant(1), low);
  const span = g.max(g.sub(margin, lowMargin), g.constant(1e-30));
  // A little beyond the root, so that a linear margin is met from the right side.
  const root = clipToBox(g, g.offset(g.div(g.neg(lowMargin), span), 1e-5));
  const share = g.where(g.greater(g.input('linear', 'float32', []), g.constant(0.5)), root, g.constant(0.5));
  const at = g.add(low, g.mul(width, share));
  const spread = eachImage(g, at, x);
  const next = clipToBox(g, g.add(origin, g.mul(spread, g.sub(x, origin))));
  const { excess, success } = writeJudgement(g, model(next).logits, target, goal, confidence);
  g.output(g.where(eachImage(g, success, x), next, x), 'x_next');
  g.output(g.where(success, g.div(low, g.max(at, g.constant(1e-30))), at), 'low_next');
  g.output(g.where(success, lowMargin, excess), 'low_margin_next');
  g.output(g.where(success, excess, margin), 'margin_next');
}
