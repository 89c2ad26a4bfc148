/** @file The compiled programs of input optimisation: one step, and the reading of its result. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { feed } from '../models/batching.ts';
import type { Classifier, ClassifierProgram, ProgramContext } from '../models/classifier.ts';
import { type ObjectiveName, objectives } from '../objectives/objectives.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { balls, type Norm } from './ball.ts';
import { iterate } from './iterate.ts';
import { perImage } from './project.ts';

/** What the compiled step depends on; ε and step size are fed, so that one program serves every ball. */
export interface StepOptions {
  objective?: ObjectiveName;
  goal: 'away' | 'toward';
  norm: Norm;
  keep?: 'last' | 'worst';
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

/** x → x_next: objective, gradient, step and projection in one graph, and the worst iterate so far (worst for the classifier) when it is kept. */
function writeStep(context: ProgramContext, classifier: Classifier, options: StepOptions): void {
  const { g, batch } = context;
  const { norm, goal, keep } = options;
  const shape = [batch, ...classifier.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const [epsilon, stepSize] = ['epsilon', 'step_size'].map((name) =>
    g.reshape(g.input(name, 'float32', [batch]), [batch, ...classifier.inputShape.map(() => 1)]),
  ) as [Value, Value];
  const { value, success } = writeObjective(context, classifier, options, x);
  const [dx] = gradient(g, { of: value, wrt: [x] });
  const direction = rises(options) === goal ? dx! : g.neg(dx!);
  const ball = balls[norm];
  g.output(ball.project(g, ball.step(g, x, direction, stepSize), origin, epsilon), 'x_next');
  g.output(value, 'objective');
  g.output(g.op('ReduceL1', [dx!, g.integers(perImage(dx!))], { keepdims: 0 }), 'gradient_size');
  if (keep === 'worst')
    writeWorst(g, x, value, success, options, ['worst_x_next', 'worst_value_next', 'worst_success_next']);
}

/** The result: the last iterate or the worst one, its objective, success and logits. */
function writeFinal(context: ProgramContext, classifier: Classifier, options: StepOptions): void {
  const { g, batch } = context;
  const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
  if (options.keep !== 'worst') {
    const { value, success, logits } = writeObjective(context, classifier, options, x);
    writeResult(g, x, value, success, logits);
    return;
  }
  const { value, success } = writeObjective(context, classifier, options, x);
  const worst = writeWorst(g, x, value, success, options);
  const { logits } = context.model(worst.x);
  writeResult(g, worst.x, worst.value, worst.success, logits);
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

const WORST_INPUTS = ['worst_x', 'worst_value', 'worst_success'] as const;

/** Replaces the worst iterate where the present one is better: success first, then the objective. */
function writeWorst(
  g: GraphBuilder,
  x: Value,
  value: Value,
  success: Value,
  options: StepOptions,
  outputs?: readonly string[],
): { x: Value; value: Value; success: Value } {
  const [worstX, worstValue, worstSuccess] = [
    g.input(WORST_INPUTS[0], 'float32', x.shape),
    g.input(WORST_INPUTS[1], 'float32', value.shape),
    g.input(WORST_INPUTS[2], 'float32', success.shape),
  ];
  const farther = rises(options) === options.goal ? g.greater(value, worstValue) : g.less(value, worstValue);
  const better = g.greater(
    g.add(g.scale(g.sub(success, worstSuccess), 2), g.cast(farther, 'float32')),
    g.constant(0.5),
  );
  const spread = g.reshape(better, [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
  const worst = {
    x: g.where(spread, x, worstX),
    value: g.where(better, value, worstValue),
    success: g.where(better, success, worstSuccess),
  };
  for (const [i, name] of (outputs ?? []).entries()) g.output([worst.x, worst.value, worst.success][i]!, name);
  return worst;
}

export const rises = ({ objective = 'cross-entropy' }: StepOptions): 'away' | 'toward' => objectives[objective].rises;

/** With the engine, except before the first step. */
export type Worst = Record<(typeof WORST_INPUTS)[number], HostTensor | ResidentTensor>;

/** A worst iterate that any other beats: success is below every real one. */
export function noWorstYet(start: Tensor): Worst {
  const none: HostTensor = {
    dtype: 'float32',
    shape: [start.shape[0]!],
    data: new Float32Array(start.shape[0]!).fill(-1),
  };
  return { worst_x: feed(start), worst_value: none, worst_success: none };
}

export interface TakeStepsOptions {
  /** First iterate; it is released. */
  start: ResidentTensor;
  origin: ResidentTensor;
  /** One-hot classes, [batch, K]. */
  target: HostTensor;
  /** Of each image, [batch], like the step size. */
  epsilon: HostTensor;
  stepSize: HostTensor;
  steps: number;
  worst?: Worst;
  signal?: AbortSignal;
  /** Called after each step with the iterate that it started from and, on request, the objective there. */
  onStep?: (step: number, x: ResidentTensor, objective: HostTensor) => void | Promise<void>;
  /** Called after the first step with Σ|gradient| of each image at its start, [batch]. */
  onFirst?: (gradientSize: HostTensor) => void;
  /** Called after each step. */
  onDone?: () => void;
}

/** Runs the step program `steps` times; images stay with the engine. The caller releases what is returned. */
export async function takeSteps(
  program: ClassifierProgram,
  { start, origin, target, epsilon, stepSize, steps, worst, signal, onStep, onFirst, onDone }: TakeStepsOptions,
): Promise<{ x: HostTensor | ResidentTensor } & Partial<Worst>> {
  const { x, ...rest } = await iterate(program, {
    state: { x: start, ...worst },
    constants: { origin, target, epsilon, step_size: stepSize },
    steps,
    signal,
    fetch: (step) => [...(onStep ? ['objective'] : []), ...(step === 0 && onFirst ? ['gradient_size'] : [])],
    onStep: async (step, fetched, before) => {
      if (step === 0) onFirst?.(fetched.gradient_size!);
      await onStep?.(step, before.x as ResidentTensor, fetched.objective!);
      onDone?.();
    },
  });
  return { x: x!, ...rest };
}
