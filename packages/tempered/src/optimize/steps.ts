/** @file The compiled programs of input optimisation: one step, and the reading of its result. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import type { Classifier, ClassifierProgram, ProgramContext } from '../models/classifier.ts';
import { type ObjectiveName, objectives } from '../objectives/objectives.ts';
import { type Tensor, zeros } from '../tensor.ts';
import type { Norm } from './ball.ts';
import { averaged, type Direction, writeMove } from './direction.ts';
import { type Goal, writeJudgement } from './judgement.ts';
import { eachImage, type ProjectionName, perImage, projections } from './project.ts';

/** What the compiled step depends on; ε and step size are fed, so that one program serves every ball. */
export interface StepOptions {
  objective?: ObjectiveName;
  goal: Goal;
  norm: Norm;
  /** Default `'steepest'`. */
  direction?: Direction;
  /** Default `'exact'`. */
  projection?: ProjectionName;
  /** Steps follow a running sum of gradients instead of the last one. */
  momentum?: Momentum;
  keep?: Keep;
}

/** g ← decay · g + ∇ / ‖∇‖₁. Dong et al. 2018, eq. 6. */
export interface Momentum {
  readonly decay: number;
  /** Takes ∇ at x + step size · decay · g, where the momentum alone would lead. Lin et al. 2020, eqs. 6–8. */
  readonly lookAhead: boolean;
}

/**
 * Which iterate counts:
 * - `'last'`: the last one
 * - `'worst'`: of all that were seen, the worst for the classifier, by success first and then by the objective
 * - `'first'`: the first that succeeds, and where none does the worst
 * - `'objective'`: the one with the worst objective, successful or not
 * - `'batch'`: the one at which the mean objective of the whole batch is worst; the last one is not looked at
 */
export type Keep = 'last' | 'worst' | 'first' | 'objective' | 'batch';

export interface StepPrograms {
  step: ClassifierProgram;
  final: ClassifierProgram;
}

export async function compileSteps(classifier: Classifier, options: StepOptions, batch: number): Promise<StepPrograms> {
  const { objective = 'cross-entropy', goal, norm, keep = 'last' } = options;
  const { direction = 'steepest', projection = 'exact', momentum } = options;
  const key = JSON.stringify([objective, goal, norm, keep, direction, projection, momentum]);
  return {
    step: await classifier.program(`optimise ${key}`, batch, (context) => writeStep(context, classifier, options)),
    final: await classifier.program(`optimised ${key}`, batch, (context) => writeFinal(context, classifier, options)),
  };
}

/** x → x_next: objective, gradient, step and projection in one graph, and the iterate that counts so far. */
function writeStep(context: ProgramContext, classifier: Classifier, options: StepOptions): void {
  const { g, batch } = context;
  const { norm, goal, momentum, direction = 'steepest', projection = 'exact', keep = 'last' } = options;
  const shape = [batch, ...classifier.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const [epsilon, stepSize] = ['epsilon', 'step_size'].map((name) =>
    eachImage(g, g.input(name, 'float32', [batch]), x),
  ) as [Value, Value];
  const sum = momentum && g.input('momentum', 'float32', shape);
  const at = momentum?.lookAhead ? g.add(x, g.mul(g.scale(stepSize, momentum.decay), sum!)) : x;
  const { value, success } = writeObjective(context, classifier, options, at);
  const [dx] = gradient(g, { of: value, wrt: [at] });
  const ascent = rises(options) === goal ? dx! : g.neg(dx!);
  const pull = momentum ? g.add(g.scale(sum!, momentum.decay), averaged(g, ascent)) : ascent;
  if (momentum) g.output(pull, 'momentum_next');
  const moved = writeMove(g, norm, direction, x, pull, stepSize);
  g.output(projections[projection][norm](g, moved, origin, epsilon), 'x_next');
  g.output(value, 'objective');
  g.output(g.op('ReduceL1', [dx!, g.integers(perImage(dx!))], { keepdims: 0 }), 'gradient_size');
  if (keep === 'last') return;
  const worst = writeWorst(g, x, value, success, options);
  g.output(worst.x, 'worst_x_next');
  g.output(worst.value, 'worst_value_next');
  g.output(worst.success, 'worst_success_next');
  g.output(worst.success, 'succeeded');
}

/** The result: the iterate that counts, its objective, success and logits. */
function writeFinal(context: ProgramContext, classifier: Classifier, options: StepOptions): void {
  const { g, batch } = context;
  const { keep = 'last' } = options;
  const shape = [batch, ...classifier.inputShape];
  const x = g.input(keep === 'batch' ? 'worst_x' : 'x', 'float32', shape);
  const { value, success, logits } = writeObjective(context, classifier, options, x);
  if (keep === 'last' || keep === 'batch') {
    writeResult(g, x, value, success, logits);
    return;
  }
  const worst = writeWorst(g, x, value, success, options);
  writeResult(g, worst.x, worst.value, worst.success, context.model(worst.x).logits);
}

function writeResult(g: GraphBuilder, x: Value, value: Value, success: Value, logits: Value): void {
  g.output(x, 'result');
  g.output(value, 'result_value');
  g.output(success, 'result_success');
  g.output(logits, 'result_logits');
}

function writeObjective(
  { g, batch, model }: ProgramContext,
  classifier: Classifier,
  { objective = 'cross-entropy', goal }: StepOptions,
  x: Value,
): { value: Value; success: Value; logits: Value } {
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  const { logits } = model(x);
  const value = objectives[objective].build(g, logits, target);
  const { success } = writeJudgement(g, logits, target, goal);
  return { value, success: g.cast(success, 'float32'), logits };
}

const WORST_INPUTS = ['worst_x', 'worst_value', 'worst_success'] as const;

/** Replaces the iterate that counts so far where the present one is better. */
function writeWorst(
  g: GraphBuilder,
  x: Value,
  ownValue: Value,
  success: Value,
  options: StepOptions,
): { x: Value; value: Value; success: Value } {
  const { goal, keep } = options;
  const [worstX, worstValue, worstSuccess] = [
    g.input(WORST_INPUTS[0], 'float32', x.shape),
    g.input(WORST_INPUTS[1], 'float32', ownValue.shape),
    g.input(WORST_INPUTS[2], 'float32', success.shape),
  ];
  const value = keep === 'batch' ? writeBatchMean(g, ownValue) : ownValue;
  const farther = rises(options) === goal ? g.greater(value, worstValue) : g.less(value, worstValue);
  const none = g.less(worstSuccess, g.constant(0));
  const gain = g.sub(success, worstSuccess);
  // Success counts twice as much as the objective, or not at all; the first success rules out all that follow.
  const rank = {
    worst: g.add(g.scale(gain, 2), g.cast(farther, 'float32')),
    first: g.sub(g.add(g.scale(gain, 2), g.cast(farther, 'float32')), g.scale(g.relu(worstSuccess), 3)),
    objective: g.cast(farther, 'float32'),
    batch: g.cast(farther, 'float32'),
  }[keep === undefined || keep === 'last' ? 'worst' : keep];
  const better = g.greater(g.add(rank, g.scale(g.cast(none, 'float32'), 4)), g.constant(0.5));
  const spread = eachImage(g, better, x);
  return {
    x: g.where(spread, x, worstX),
    value: g.where(better, value, worstValue),
    success: g.where(better, success, worstSuccess),
  };
}

/** The mean over those rows of a batch that are images and no padding, for every row: `counted` says which are. */
function writeBatchMean(g: GraphBuilder, value: Value): Value {
  const counted = g.input('counted', 'float32', value.shape);
  const mean = g.div(g.reduceSum(g.mul(value, counted), [0], true), g.reduceSum(counted, [0], true));
  return g.expand(mean, value.shape);
}

export const rises = ({ objective = 'cross-entropy' }: StepOptions): Goal => objectives[objective].rises;

/** What the program carries before the first step: no momentum, and an iterate that any other beats, with a success below every real one. */
export function nothingYet(start: Tensor, { keep = 'last', momentum }: StepOptions): Record<string, Tensor> {
  const none: Tensor = { shape: [start.shape[0]!], data: new Float32Array(start.shape[0]!).fill(-1) };
  return {
    ...(keep !== 'last' && { worst_x: start, worst_value: none, worst_success: none }),
    ...(momentum && { momentum: zeros(start.shape) }),
  };
}
