/** @file What attacks that look for the smallest perturbation share: who takes part, the best found so far, the final search. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { type Chunk, chunks, feed, floats, oneHot, padLabels, padRows } from '../models/batching.ts';
import type { Classifier, ClassifierProgram, ProgramContext } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { objectives } from '../objectives/objectives.ts';
import type { Norm } from '../optimize/ball.ts';
import { iterate, releaseAll } from '../optimize/iterate.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { lengths } from './hyperplane.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Task } from './search.ts';

/** Images of one run, padded to the batch, and the smallest perturbations known so far. */
export interface Part {
  readonly task: Task;
  readonly chunk: Chunk;
  readonly batch: number;
  /** [batch, C, H, W]. */
  readonly images: Tensor;
  readonly origin: ResidentTensor;
  /** One-hot: the classes to leave, or with targets the ones to reach, [batch, K]. */
  readonly target: HostTensor;
  readonly goal: 'away' | 'toward';
  /** Counts steps for the progress report. */
  onStep(): void;
}

export type Best = Record<'best' | 'best_distance', HostTensor | ResidentTensor>;

/** What a search spent on every image of a part. */
export interface Spent {
  readonly forwards: number;
  readonly gradients: number;
  readonly zeroGradients: number;
}

export interface SmallestSearch {
  /** Steps of one part, for the progress report. */
  steps: number;
  /** Steps of the search along the line between each image and what was found. */
  finalSearch: number;
  /** Takes over `best` and returns what it has become. */
  search(part: Part, best: Best): Promise<{ best: Best; spent: Spent }>;
}

/** Searches for the images that the judge does not already get wrong; those stay as they are. */
export async function searchSmallest(task: Task, { steps, finalSearch, search }: SmallestSearch): Promise<Found> {
  const { judge, images, labels, targets, batchSize, imageNumbers, signal, onProgress } = task;
  const predictions = await predict(judge, images, { batchSize, imageNumbers, signal });
  const right = Uint32Array.from(labels.keys()).filter((i) =>
    targets ? predictions[i] !== targets[i] : predictions[i] === labels[i],
  );
  const adversarial = { ...images, data: images.data.slice() };
  const total = { forwards: labels.length, gradients: 0, zeroGradients: 0 };
  const open = onlyImages(task, right);
  const plan = chunks(right.length, batchSize, judge.description);
  for (const [index, chunk] of plan.chunks.entries()) {
    let step = index * steps;
    const onStep = () => onProgress?.({ stage: 'optimise', done: ++step, total: plan.chunks.length * steps });
    const padded = padRows(open.images, chunk, plan.batch);
    const classes = padLabels(open.targets ?? open.labels, chunk, plan.batch);
    const target = feed(oneHot(classes, task.classifier.classes.length));
    const origin = await task.classifier.runtime.upload(feed(padded));
    const goal = targets ? 'toward' : 'away';
    const part: Part = { task: open, chunk, batch: plan.batch, images: padded, origin, target, goal, onStep };
    try {
      const { best, spent } = await search(part, nothingYet(padded));
      const { found, forwards } = await finish(part, best, finalSearch);
      const count = chunk.end - chunk.start;
      total.forwards += count * (spent.forwards + forwards);
      total.gradients += count * spent.gradients;
      total.zeroGradients += spent.zeroGradients;
      const size = sizeOf(images.shape.slice(1));
      for (let row = 0; row < count; row++)
        adversarial.data.set(found.subarray(row * size, (row + 1) * size), right[chunk.start + row]! * size);
    } finally {
      origin.release();
    }
  }
  return { adversarial, ...total };
}

/** Distance of an image for which nothing has been found. */
export const NONE = 1e30;

function nothingYet(images: Tensor): Best {
  const distance = new Float32Array(images.shape[0]!).fill(NONE);
  return { best: feed(images), best_distance: feed({ shape: [distance.length], data: distance }) };
}

/** Of the rows that are no padding. */
export const ownRows = ({ chunk }: Part, tensor: HostTensor): Float32Array =>
  floats(tensor).subarray(0, chunk.end - chunk.start);

export const isFound = (distance: number): boolean => distance < NONE;

/** Images whose gradient is exactly 0 where the search starts: they do not move. */
export const countZeros = (part: Part, sizes: HostTensor): number =>
  ownRows(part, sizes).filter((size) => size === 0).length;

export const imageShape = ({ shape }: Value): number[] => [shape[0]!, ...shape.slice(1).map(() => 1)];

/** [N, ...] as [N, D]. */
export const flat = (g: GraphBuilder, x: Value): Value => g.reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]);

export interface Judged {
  /** How far an image is beyond what counts as adversarial: its margin, with the sign of the goal, less the slack, [N]. */
  readonly excess: Value;
  readonly success: Value;
}

/**
 * Other programs that compute the same logits round otherwise: images whose margin is a few roundings wide are not
 * called adversarial yet.
 */
export function writeJudgement(g: GraphBuilder, logits: Value, target: Value, goal: 'away' | 'toward'): Judged {
  const margin = objectives.margin.build(g, logits, target);
  const slack = g.scale(g.reduceMax(g.abs(logits), [1]), ROUNDING);
  const excess = g.sub(goal === 'away' ? margin : g.neg(margin), slack);
  return { excess, success: g.greater(excess, g.constant(0)) };
}

const ROUNDING = 1e-6;

/** ‖x − origin‖ of each image, [N]. */
export const writeDistance = (g: GraphBuilder, norm: Norm, x: Value, origin: Value): Value =>
  g.squeeze(lengths(g, norm, flat(g, g.sub(x, origin))), [1]);

/** Declares the state `best`, `best_distance` and replaces it where x is adversarial and nearer. */
export function writeBest(g: GraphBuilder, x: Value, success: Value, distance: Value): { distance: Value } {
  const best = g.input('best', 'float32', x.shape);
  const known = g.input('best_distance', 'float32', distance.shape);
  const better = g.and(success, g.less(distance, known));
  g.output(g.where(g.reshape(better, imageShape(x)), x, best), 'best_next');
  const next = g.where(better, distance, known);
  g.output(next, 'best_distance_next');
  return { distance: next };
}

/** The found images, after the final search, [batch · C · H · W]. */
async function finish(part: Part, { best, best_distance: distance }: Best, steps: number) {
  releaseAll({ distance });
  const { x } = steps > 0 ? await alongTheLine(part, best, steps) : { x: best };
  try {
    const found = floats('resident' in x ? await x.read() : x);
    return { found, forwards: steps > 0 ? steps + 2 : 0 };
  } finally {
    releaseAll({ x });
  }
}

/**
 * Moves each image along the line to its original as far as it stays adversarial: by turns to where the margin would
 * be 0 were it linear between the ends known, and to their middle (the final search of Croce & Hein 2020, §3.3).
 */
async function alongTheLine(part: Part, best: HostTensor | ResidentTensor, steps: number) {
  const { task, batch, origin, target, goal } = part;
  const ends = await task.classifier.program(`ends ${goal}`, batch, (context) =>
    writeEnds(context, task.classifier, goal),
  );
  const line = await task.classifier.program(`line ${goal}`, batch, (context) =>
    writeLine(context, task.classifier, goal),
  );
  const low = await marginsAt(ends, origin, target);
  const high = await marginsAt(ends, best, target);
  const { x, ...rest } = await iterate(line, {
    state: { x: best, low: feed({ shape: [batch], data: new Float32Array(batch) }), low_margin: low, margin: high },
    constants: { origin, target },
    steps,
    feeds: (step) => ({ linear: { dtype: 'float32', shape: [], data: Float32Array.of(step % 2 === 0 ? 1 : 0) } }),
    signal: task.signal,
  });
  releaseAll(rest);
  return { x: x! };
}

const marginsAt = async (ends: ClassifierProgram, x: HostTensor | ResidentTensor, target: HostTensor) =>
  (await ends.run({ x, target })).fetched.margin!;

function writeEnds({ g, batch, model }: ProgramContext, classifier: Classifier, goal: 'away' | 'toward'): void {
  const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  g.output(writeJudgement(g, model(x).logits, target, goal).excess, 'margin');
}

/** The line from the original, 0, to the best image, 1. `low` is the farthest point known that is not adversarial. */
function writeLine({ g, batch, model }: ProgramContext, classifier: Classifier, goal: 'away' | 'toward'): void {
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
  const root = g.op('Clip', [g.offset(g.div(g.neg(lowMargin), span), 1e-5), g.constant(0), g.constant(1)]);
  const share = g.where(g.greater(g.input('linear', 'float32', []), g.constant(0.5)), root, g.constant(0.5));
  const at = g.add(low, g.mul(width, share));
  const spread = g.reshape(at, imageShape(x));
  const next = g.op('Clip', [g.add(origin, g.mul(spread, g.sub(x, origin))), g.constant(0), g.constant(1)]);
  const { excess, success } = writeJudgement(g, model(next).logits, target, goal);
  g.output(g.where(g.reshape(success, imageShape(x)), next, x), 'x_next');
  g.output(g.where(success, g.div(low, g.max(at, g.constant(1e-30))), at), 'low_next');
  g.output(g.where(success, lowMargin, excess), 'low_margin_next');
  g.output(g.where(success, excess, margin), 'margin_next');
}
