/** @file The compiled programs of input optimisation: one step, and the reading of its result. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { feed, scalar } from '../models/batching.ts';
import type { Classifier, ClassifierProgram, ProgramContext } from '../models/classifier.ts';
import { type ObjectiveName, objectives } from '../objectives/objectives.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { balls, type Norm } from './ball.ts';

/** What the compiled step depends on; ε and step size are fed, so that one program serves every ball. */
export interface StepOptions {
  objective?: ObjectiveName;
  goal: 'away' | 'toward';
  norm: Norm;
  keep?: 'last' | 'best';
}

export interface StepPrograms {
  step: ClassifierProgram;
  final: ClassifierProgram;
}

export async function compileSteps(classifier: Classifier, options: StepOptions, batch: number): Promise<StepPrograms> {
  const { objective = 'cross-entropy', goal, norm, keep = 'last' } = options;
  const key = JSON.stringify([objective, goal, norm, keep]);
  return {
    step: await classifier.program(`optimise ${key}`, batch, (context) => writeStep(context, classifier, options)),
    final: await classifier.program(`optimised ${key}`, batch, (context) => writeFinal(context, classifier, options)),
  };
}

/** x → x_next: objective, gradient, step and projection in one graph, and the best iterate so far when it is kept. */
function writeStep(context: ProgramContext, classifier: Classifier, options: StepOptions): void {
  const { g, batch } = context;
  const { norm, goal, keep } = options;
  const shape = [batch, ...classifier.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const epsilon = g.input('epsilon', 'float32', []);
  const stepSize = g.input('step_size', 'float32', []);
  const { value, success } = writeObjective(context, classifier, options, x);
  const [dx] = gradient(g, { of: value, wrt: [x] });
  const direction = rises(options) === goal ? dx! : g.neg(dx!);
  const ball = balls[norm];
  g.output(ball.project(g, ball.step(g, x, direction, stepSize), origin, epsilon), 'x_next');
  g.output(value, 'objective');
  if (keep === 'best')
    writeBest(g, x, value, success, options, ['best_x_next', 'best_value_next', 'best_success_next']);
}

/** The result: the last iterate or the best one, its objective, success and logits. */
function writeFinal(context: ProgramContext, classifier: Classifier, options: StepOptions): void {
  const { g, batch } = context;
  const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
  if (options.keep !== 'best') {
    const { value, success, logits } = writeObjective(context, classifier, options, x);
    writeResult(g, x, value, success, logits);
    return;
  }
  const { value, success } = writeObjective(context, classifier, options, x);
  const best = writeBest(g, x, value, success, options);
  const { logits } = context.model(best.x);
  writeResult(g, best.x, best.value, best.success, logits);
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
  const margin = objectives.margin.build(g, logits, target);
  const zero = g.constant(0);
  const success = goal === 'away' ? g.greater(margin, zero) : g.less(margin, zero);
  return { value, success: g.cast(success, 'float32'), logits };
}

const BEST_INPUTS = ['best_x', 'best_value', 'best_success'] as const;
const BEST_OUTPUTS = ['best_x_next', 'best_value_next', 'best_success_next'];

/** Replaces the best iterate where the present one is better: success first, then the objective. */
function writeBest(
  g: GraphBuilder,
  x: Value,
  value: Value,
  success: Value,
  options: StepOptions,
  outputs?: readonly string[],
): { x: Value; value: Value; success: Value } {
  const [bestX, bestValue, bestSuccess] = [
    g.input(BEST_INPUTS[0], 'float32', x.shape),
    g.input(BEST_INPUTS[1], 'float32', value.shape),
    g.input(BEST_INPUTS[2], 'float32', success.shape),
  ];
  const farther = rises(options) === options.goal ? g.greater(value, bestValue) : g.less(value, bestValue);
  const better = g.greater(g.add(g.scale(g.sub(success, bestSuccess), 2), g.cast(farther, 'float32')), g.constant(0.5));
  const spread = g.reshape(better, [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
  const best = {
    x: g.where(spread, x, bestX),
    value: g.where(better, value, bestValue),
    success: g.where(better, success, bestSuccess),
  };
  for (const [i, name] of (outputs ?? []).entries()) g.output([best.x, best.value, best.success][i]!, name);
  return best;
}

export const rises = ({ objective = 'cross-entropy' }: StepOptions): 'away' | 'toward' => objectives[objective].rises;

export type Best = Record<(typeof BEST_INPUTS)[number], ResidentTensor>;

/** A best iterate that any other beats: success is below every real one. */
export async function noBestYet(classifier: Classifier, start: Tensor): Promise<Best> {
  const count = start.shape[0]!;
  const none = (): HostTensor => ({ dtype: 'float32', shape: [count], data: new Float32Array(count).fill(-1) });
  return {
    best_x: await classifier.runtime.upload(feed(start)),
    best_value: await classifier.runtime.upload(none()),
    best_success: await classifier.runtime.upload(none()),
  };
}

const nextBest = (kept: Readonly<Record<string, ResidentTensor>>): Best => ({
  best_x: kept.best_x_next!,
  best_value: kept.best_value_next!,
  best_success: kept.best_success_next!,
});

export interface TakeStepsOptions {
  /** First iterate; it is released. */
  start: ResidentTensor;
  origin: ResidentTensor;
  /** One-hot classes, [batch, K]. */
  target: HostTensor;
  epsilon: number;
  stepSize: number;
  steps: number;
  best?: Best;
  signal?: AbortSignal;
  /** Called before each step with the iterate and, on request, its objective. */
  onStep?: (step: number, x: ResidentTensor, objective: HostTensor) => void | Promise<void>;
  /** Called after each step. */
  onDone?: () => void;
}

/** Runs the step program `steps` times; images stay with the engine. The caller releases what is returned. */
export async function takeSteps(
  program: ClassifierProgram,
  { start, origin, target, epsilon, stepSize, steps, best: firstBest, signal, onStep, onDone }: TakeStepsOptions,
): Promise<{ x: ResidentTensor; best: Best | undefined }> {
  const constants = { epsilon: scalar(epsilon), step_size: scalar(stepSize) };
  let x = start;
  let best = firstBest;
  try {
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      const { fetched, kept } = await program.run(
        { x, origin, target, ...constants, ...best },
        { fetch: onStep ? ['objective'] : [], keep: ['x_next', ...(best ? BEST_OUTPUTS : [])] },
      );
      const next = { x: kept.x_next!, best: best && nextBest(kept) };
      try {
        await onStep?.(step, x, fetched.objective!);
      } finally {
        release(x, best);
        ({ x, best } = next);
      }
      onDone?.();
    }
  } catch (error) {
    release(x, best);
    throw error;
  }
  return { x, best };
}

/** Frees an iterate and the best one so far. */
export function release(x: ResidentTensor, best: Best | undefined): void {
  for (const tensor of [x, ...Object.values(best ?? {})]) tensor.release();
}
