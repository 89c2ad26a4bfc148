/** @file One iteration of AutoPGD as a compiled program: every decision about an image is taken in the graph. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { targetedDlr } from '../objectives/dlr.ts';
import { type ObjectiveName, objectives } from '../objectives/objectives.ts';
import { balls, finite, type Norm, perImage } from '../optimize/ball.ts';
import { sparseSigns } from '../optimize/direction.ts';
import { type Goal, writeJudgement } from '../optimize/judgement.ts';
import { eachImage, type ProjectionName, projections } from '../optimize/project.ts';
import { type Tensor, zeros } from '../tensor.ts';

export type AutoPgdLoss = Extract<ObjectiveName, 'cross-entropy' | 'margin' | 'dlr'> | 'targeted-dlr';

export interface AutoPgdStep {
  readonly norm: Norm;
  readonly loss: AutoPgdLoss;
  readonly projection: ProjectionName;
  /** Whether an image is done when it is taken for `target`, or when it is not taken for `label`. */
  readonly goal: Goal;
}

/** Croce & Hein 2021, §4.2: factor by which the sparsity and the step size fall, and the smallest share of the first step size. */
const SPARSITY_FACTOR = 1.5;
const SMALLEST_STEP = 0.1;

/**
 * Evaluates x, decides at checkpoints, and moves on. All losses rise toward success. Per image: the best iterate with its
 * gradient and loss, the first success, the step size, and what the checkpoints look at.
 */
export function writeAutoPgdStep(context: ProgramContext, classifier: Classifier, step: AutoPgdStep): void {
  const { g, batch } = context;
  const shape = [batch, ...classifier.inputShape];
  const image = (name: string) => g.input(name, 'float32', shape);
  const numbers = (name: string) => g.input(name, 'float32', [batch]);
  const [x, origin] = [image('x'), image('origin')];
  const { value, success } = writeLoss(context, classifier, step, x);
  const ascent = finite(g, gradient(g, { of: value, wrt: [x] })[0]!);

  const [knownValue, known, knownAscent] = [numbers('best_value'), image('best'), image('best_ascent')];
  const better = g.greater(value, knownValue);
  const best = pick(g, better, x, known);
  const bestAscent = pick(g, better, ascent, knownAscent);
  const bestValue = g.where(better, value, knownValue);

  const alreadyFound = numbers('found');
  const nowFound = g.and(success, g.less(alreadyFound, g.constant(0.5)));
  g.output(pick(g, nowFound, x, image('adversarial')), 'adversarial_next');
  const found = g.where(success, g.constant(1), alreadyFound);
  g.output(found, 'found_next');
  g.output(found, 'succeeded');

  const epsilon = numbers('epsilon');
  const checkpoint: Checkpoint = { g, epsilon, value, best, bestValue, origin, numbers };
  const { restart, size, sparsity } = step.norm === 'l1' ? checkSparsity(checkpoint) : checkProgress(checkpoint);
  const from = pick(g, restart, best, x);
  const along = pick(g, restart, bestAscent, ascent);
  g.output(writeMove({ g, step, x: from, origin, ascent: along, size, sparsity, epsilon, image }), 'x_next');
  g.output(best, 'best_next');
  g.output(bestAscent, 'best_ascent_next');
  g.output(bestValue, 'best_value_next');
  g.output(g.op('ReduceL1', [ascent, g.integers(perImage(ascent))], { keepdims: 0 }), 'gradient_size');
}

/** What the program carries before its first iteration, beside `x` itself. */
export function autoPgdState(start: Tensor, norm: Norm, stepSize: Tensor): Record<string, Tensor> {
  const { shape } = start;
  const each = (value: number): Tensor => ({ shape: [shape[0]!], data: new Float32Array(shape[0]!).fill(value) });
  const lowest = -3e38;
  return {
    best: start,
    best_ascent: zeros(shape),
    best_value: each(lowest),
    adversarial: start,
    found: each(0),
    step_size: stepSize,
    ...(norm === 'l1'
      ? { share: each(0.2), moved: each(shape.slice(1).reduce((a, b) => a * b, 1)) }
      : { before: start, value: each(-lowest), rises: each(0), checked_value: each(lowest), halved: each(0) }),
  };
}

function writeLoss({ g, batch, model }: ProgramContext, classifier: Classifier, step: AutoPgdStep, x: Value) {
  const { loss, goal } = step;
  const classes = [batch, classifier.classes.length];
  const { logits } = model(x);
  const needsLabel = goal === 'away' || loss === 'targeted-dlr';
  const label = needsLabel ? g.input('label', 'float32', classes) : undefined;
  const target = goal === 'toward' || loss === 'targeted-dlr' ? g.input('target', 'float32', classes) : undefined;
  const aim = (goal === 'away' ? label : target)!;
  const { success } = writeJudgement(g, logits, aim, goal);
  if (loss === 'targeted-dlr') return { value: targetedDlr(g, logits, label!, target!), success };
  const value = objectives[loss].build(g, logits, aim);
  return { value: goal === 'away' ? value : g.neg(value), success };
}

interface Checkpoint {
  readonly g: GraphBuilder;
  readonly epsilon: Value;
  readonly value: Value;
  readonly best: Value;
  readonly bestValue: Value;
  readonly origin: Value;
  numbers(name: string): Value;
}

interface Checked {
  /** Whether the image goes on from its best iterate, [N]. */
  readonly restart: Value;
  readonly size: Value;
  /** l1: the share of the pixels that a step moves, [N]. */
  readonly sparsity?: Value;
}

/**
 * Halves the step size where the loss rose in fewer than ρ of the steps since the last checkpoint, or where neither step
 * size nor best loss have changed since. Croce & Hein 2020, §3.2, conditions 1 and 2; ρ k is fed as `needed`, and a
 * number below 0 where there is no checkpoint.
 */
function checkProgress({ g, value, bestValue, numbers }: Checkpoint): Checked {
  const needed = g.input('needed', 'float32', []);
  const due = g.greaterOrEqual(needed, g.constant(0));
  const rises = g.add(numbers('rises'), g.cast(g.greater(value, numbers('value')), 'float32'));
  const [known, halved, size] = [numbers('checked_value'), numbers('halved'), numbers('step_size')];
  // The first checkpoint looks back to the start.
  const checkedValue = g.where(g.less(known, g.constant(-2e38)), bestValue, known);
  const few = g.less(rises, needed);
  const stuck = g.and(g.less(halved, g.constant(0.5)), g.lessOrEqual(bestValue, checkedValue));
  const failed = g.greater(g.add(g.cast(few, 'float32'), g.cast(stuck, 'float32')), g.constant(0));
  const restart = g.and(failed, g.expand(due, failed.shape));
  const next = g.where(restart, g.scale(size, 0.5), size);
  g.output(g.where(due, g.constant(0), rises), 'rises_next');
  g.output(g.where(due, bestValue, checkedValue), 'checked_value_next');
  g.output(g.where(due, g.cast(restart, 'float32'), halved), 'halved_next');
  g.output(g.where(restart, bestValue, value), 'value_next');
  g.output(next, 'step_size_next');
  return { restart, size: next };
}

/**
 * The sparsity of the next steps follows that of the best perturbation. Where it has fallen by 5 % since the last
 * checkpoint, the image goes on from its best iterate with the first step size; elsewhere the step shrinks. Croce & Hein
 * 2021, §4.2, algorithm 1.
 */
function checkSparsity({ g, epsilon, best, origin, numbers }: Checkpoint): Checked {
  const needed = g.input('needed', 'float32', []);
  const due = g.greaterOrEqual(needed, g.constant(0));
  const [share, moved, size] = [numbers('share'), numbers('moved'), numbers('step_size')];
  const pixels = best.shape.slice(1).reduce((a, b) => a * b, 1);
  const differs = g.greater(g.abs(g.sub(best, origin)), g.constant(0));
  const now = g.reduceSum(g.cast(differs, 'float32'), perImage(best));
  const sparser = g.less(now, g.scale(moved, 0.95));
  const restart = g.and(sparser, g.expand(due, sparser.shape));
  const shrunk = g.max(g.scale(size, 1 / SPARSITY_FACTOR), g.scale(epsilon, SMALLEST_STEP));
  const next = g.where(due, g.where(sparser, epsilon, shrunk), size);
  const sparsity = g.where(due, g.scale(now, 1 / (SPARSITY_FACTOR * pixels)), share);
  g.output(sparsity, 'share_next');
  g.output(g.where(due, now, moved), 'moved_next');
  g.output(next, 'step_size_next');
  return { restart, size: next, sparsity };
}

interface Move {
  readonly g: GraphBuilder;
  readonly step: AutoPgdStep;
  readonly x: Value;
  readonly origin: Value;
  readonly ascent: Value;
  readonly size: Value;
  readonly sparsity?: Value;
  readonly epsilon: Value;
  image(name: string): Value;
}

/** The next iterate: in l1 one sparse step; else with momentum, x + α (z − x) + (1 − α)(x − before), z being the plain step. */
function writeMove({ g, step, x, origin, ascent, size, sparsity, epsilon, image }: Move): Value {
  const project = (point: Value) => projections[step.projection][step.norm](g, point, origin, eachImage(g, epsilon, x));
  if (sparsity) return project(g.add(x, g.mul(eachImage(g, size, x), sparsest(g, ascent, sparsity))));
  const before = image('before');
  g.output(x, 'before_next');
  const alpha = g.input('alpha', 'float32', []);
  const plain = project(balls[step.norm].step(g, x, ascent, eachImage(g, size, x)));
  const carried = g.mul(g.sub(g.constant(1), alpha), g.sub(x, before));
  return project(g.add(g.add(x, g.mul(alpha, g.sub(plain, x))), carried));
}

/** Signs of the entries among the share of the largest, over their number. */
function sparsest(g: GraphBuilder, ascent: Value, share: Value): Value {
  const [count, ...image] = ascent.shape as [number, ...number[]];
  const pixels = image.reduce((a, b) => a * b, 1);
  const lengths = g.abs(ascent);
  const [sorted] = g.node('TopK', [g.reshape(lengths, [count, pixels]), g.integers([pixels])], { axis: 1 }, 2);
  // The last entry that counts: at least one does, and all may.
  const last = g.op('Clip', [g.scale(share, pixels), g.constant(1), g.constant(pixels)]);
  const places = g.constant(
    Array.from({ length: pixels }, (_, i) => i + 1),
    [1, pixels],
  );
  const kept = g.lessOrEqual(places, g.reshape(last, [count, 1]));
  const least = g.reduceMin(g.where(kept, sorted!, g.constant(3e38)), [1], true);
  return sparseSigns(g, ascent, lengths, g.reshape(least, [count, ...image.map(() => 1)]));
}

function pick(g: GraphBuilder, condition: Value, yes: Value, no: Value): Value {
  return g.where(eachImage(g, condition, yes), yes, no);
}
