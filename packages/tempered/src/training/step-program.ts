/** @file One training step as one compiled graph: loss, gradients and update. */
import { decompose, emptyGraph, GraphBuilder, gradient, type Value, writeModel } from 'onnx-grad';
import { scalar } from '../models/batching.ts';
import type { ModelDescription } from '../models/classifier.ts';
import { inProgram, keysInProgram } from '../models/namespace.ts';
import { classActivationHead } from '../objectives/class-activation-map.ts';
import { objectives } from '../objectives/objectives.ts';
import type { HostTensor, Program, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { type GradientClipping, writeClipping } from './clipping.ts';
import type { Clock } from './clock.ts';
import { smoothTarget } from './label-smoothing.ts';
import { standard, type TrainingMethod } from './method.ts';
import type { LossContext } from './objectives/context.ts';
import { readsAdversarialLogits, termWeights, writeTerms } from './objectives/terms.ts';
import { type Optimizer, stateNames, stepScalars, writeUpdate } from './optimizer.ts';
import { once, writtenPass } from './passes.ts';
import { rampFactor } from './ramp.ts';
import { type TrainedModel, trainedModel, trainingForm } from './training-graph.ts';
import { PERTURBATION, type TrainingState } from './training-state.ts';
import { averagingDecay, type WeightAveraging, writeAverage } from './weight-averaging.ts';

export interface StepResult {
  /** Mean loss of the batch. */
  readonly loss: number;
  /** How many images of the batch were classified right, as they were fed: the adversarial ones where the loss reads them. */
  readonly correct: number;
}

export interface StepFeeds {
  /** Clean images, [batch, C, H, W]. */
  x: HostTensor | ResidentTensor;
  /** Adversarial images. Default: the clean ones. */
  adversarial?: HostTensor | ResidentTensor;
  /** One-hot classes, [batch, K]. */
  target: HostTensor;
  /** Updates so far, with this one. */
  step: number;
  learningRate: number;
  /** For what ramps up. Default: the end of every ramp. */
  clock?: Clock;
}

export interface TrainingStep {
  /** Runs one step and replaces the state. */
  run(feeds: StepFeeds): Promise<StepResult>;
  release(): void;
}

export interface TrainingStepOptions {
  optimizer: Optimizer;
  batchSize: number;
  state: TrainingState;
  /** Its loss, its weight perturbation and its replays; default: standard training. */
  method?: TrainingMethod;
  /** Of the gradients of the weights. Default: none. */
  clipping?: GradientClipping;
  /** Of the classes that the loss asks for, not of those that an attack leads away from. Default: 0. */
  labelSmoothing?: number;
  /** How `state.average` follows the weights, where there is one. */
  averaging?: WeightAveraging;
}

/** Compiles the training step of a model. */
export async function compileTrainingStep(
  runtime: Runtime,
  model: ModelDescription,
  options: TrainingStepOptions,
): Promise<TrainingStep> {
  const { graph, outputs } = writeTrainingStep(model, options);
  const program = await runtime.compile(writeModel(decompose(graph)), { label: `training step of ${model.name}` });
  return {
    run: (feeds) => runStep(program, outputs, options, feeds),
    release: () => program.release(),
  };
}

interface Output {
  readonly output: string;
  readonly group: keyof TrainingState;
  readonly name: string;
}

function writeTrainingStep(
  model: ModelDescription,
  { optimizer, batchSize, state, method = standard(), clipping, labelSmoothing = 0 }: TrainingStepOptions,
) {
  const g = new GraphBuilder(emptyGraph(`train ${model.name}`));
  const outputs: Output[] = [];
  const follow = averageWriter(g, state);
  const keep = (value: Value, group: keyof TrainingState, name: string): void => {
    if (group === 'parameters' && name in state.average) keep(follow(name, value), 'average', name);
    const output = `next/${group}/${name}`;
    g.output(value, output);
    outputs.push({ output, group, name });
  };
  const trained = trainedModel(g, model, state.parameters);
  const images = imageInputs(g, [batchSize, ...model.inputShape], method);
  const target = g.input('target', 'float32', [batchSize, model.classes.length]);
  const head = once(() => classActivationHead(model));
  const contextAt = (weights: Readonly<Record<string, Value>>, moveStatistics: boolean): LossContext => {
    const apply = (x: Value, moving = false) => trained.apply(x, { mode: 'training', weights, moveStatistics: moving });
    const pass = (x: () => Value) => writtenPass(g, x, (value) => apply(value, moveStatistics), head);
    return {
      g,
      target,
      softTarget: smoothTarget(g, target, labelSmoothing),
      passes: { clean: pass(images.clean), adversarial: pass(images.adversarial) },
      apply: (x) => apply(x),
    };
  };
  const lossOf = (context: LossContext) => g.reduceMean(writeTerms(context, method.loss), [0]);

  const names = trainingForm(model.graph).trainable;
  const weights = method.weightPerturbation
    ? perturbedWeights(g, trained, names, lossOf(contextAt({}, false)))
    : trained.parameters;
  const context = contextAt(weights, true);
  const loss = lossOf(context);
  g.output(loss, 'loss');
  g.output(countCorrect(g, context, method), 'correct');

  const at = names.map((name) => weights[name]!);
  const wrt = images.perturbation ? [...at, images.perturbation] : at;
  const gradients = gradient(g, { of: loss, wrt });
  const clipped = writeClipping(g, gradients.slice(0, names.length), clipping);
  const scalars = Object.fromEntries(
    Object.keys(stepScalars(optimizer, 1, 0)).map((name) => [name, g.input(name, 'float32', [])]),
  );
  names.forEach((name, i) => {
    const parameter = trained.parameters[name]!;
    const slots = stateNames(optimizer).map((slot) => `${name}.${slot}`);
    const next = writeUpdate(g, optimizer, {
      parameter,
      gradient: clipped[i]!,
      state: slots.map((slot) => g.input(inProgram(slot), 'float32', parameter.shape)),
      scalars,
    });
    keep(next.parameter, 'parameters', name);
    next.state.forEach((value, k) => {
      keep(value, 'optimizer', slots[k]!);
    });
  });
  for (const [name, value] of Object.entries(trained.statistics)) keep(value, 'parameters', name);
  if (images.perturbation)
    keep(
      nextPerturbation(g, images.perturbation, gradients.at(-1)!, method.replays?.relativeStep ?? 1),
      'carried',
      PERTURBATION,
    );
  return { graph: g.graph, outputs };
}

/** Writes the next average of a parameter; the averages so far and the decay are inputs. */
function averageWriter(g: GraphBuilder, { average }: TrainingState): (name: string, next: Value) => Value {
  const decay = once(() => g.input('averaging_decay', 'float32', []));
  return (name, next) => writeAverage(g, g.input(`average/${name}`, 'float32', average[name]!.shape), next, decay());
}

/** The two versions of the batch; in free training the adversarial one is made on the spot. */
function imageInputs(g: GraphBuilder, shape: readonly number[], { replays }: TrainingMethod) {
  const clean = once(() => g.input('x', 'float32', shape));
  if (!replays) return { clean, adversarial: once(() => g.input('adversarial', 'float32', shape)) };
  const perturbation = g.input(`carried/${PERTURBATION}`, 'float32', shape);
  const moved = once(() => g.op('Clip', [g.add(clean(), perturbation), g.constant(0), g.constant(1)]));
  return { clean, adversarial: moved, perturbation };
}

/** δ ← clip(δ + α ε sign(∇), −ε, ε). Shafahi et al. 2019, algorithm 1. */
function nextPerturbation(g: GraphBuilder, perturbation: Value, slope: Value, relativeStep: number): Value {
  const epsilon = g.input('epsilon', 'float32', []);
  const stepped = g.add(perturbation, g.mul(g.scale(epsilon, relativeStep), g.sign(slope)));
  return g.min(g.max(stepped, g.neg(epsilon)), epsilon);
}

/** The weights after a step up the gradient, γ‖w‖ long in every layer. Wu, Xia & Wang 2020, eq. 10. */
function perturbedWeights(
  g: GraphBuilder,
  { parameters }: TrainedModel,
  names: readonly string[],
  loss: Value,
): Record<string, Value> {
  const gamma = g.input('gamma', 'float32', []);
  const layers = names.filter((name) => parameters[name]!.shape.length > 1);
  const ascents = gradient(g, { of: loss, wrt: layers.map((name) => parameters[name]!) });
  const length = (value: Value) =>
    g.sqrt(
      g.reduceSum(
        g.square(value),
        value.shape.map((_, axis) => axis),
      ),
    );
  const result = { ...parameters };
  // Values of their own, so that the second gradient ends here and does not run through the first one.
  for (const name of names) result[name] = g.op('Identity', [parameters[name]!]);
  layers.forEach((name, i) => {
    const [weight, ascent] = [parameters[name]!, ascents[i]!];
    const top = g.reduceMax(
      g.abs(ascent),
      ascent.shape.map((_, axis) => axis),
    );
    const scaled = g.div(ascent, g.max(top, g.constant(1e-30)));
    const unit = g.div(scaled, g.max(length(scaled), g.constant(1e-12)));
    result[name] = g.add(weight, g.mul(g.mul(gamma, length(weight)), unit));
  });
  return result;
}

function countCorrect(g: GraphBuilder, { passes, target }: LossContext, { loss }: TrainingMethod): Value {
  const { logits } = passes[readsAdversarialLogits(loss) ? 'adversarial' : 'clean'];
  const margin = objectives.margin.build(g, logits, target);
  return g.reduceSum(g.cast(g.less(margin, g.constant(0)), 'float32'), [0]);
}

async function runStep(
  program: Program,
  outputs: readonly Output[],
  { optimizer, state, method = standard(), averaging }: TrainingStepOptions,
  { x, adversarial = x, target, step, learningRate, clock = END }: StepFeeds,
): Promise<StepResult> {
  const { replays, weightPerturbation } = method;
  const scalars: Record<string, number> = {
    ...stepScalars(optimizer, step, learningRate),
    ...termWeights(method.loss, clock),
    ...(replays && { epsilon: replays.epsilon * rampFactor(replays.ramp, clock) }),
    ...(weightPerturbation && { gamma: weightPerturbation.gamma * rampFactor(weightPerturbation.ramp, clock) }),
    ...(averaging && { averaging_decay: averagingDecay(averaging, clock) }),
  };
  const feeds: Record<string, HostTensor | ResidentTensor> = {
    x,
    adversarial,
    target,
    ...Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, scalar(value)])),
    ...keysInProgram(state.parameters),
    ...keysInProgram(state.optimizer),
    ...Object.fromEntries(Object.entries(state.carried).map(([name, tensor]) => [`carried/${name}`, tensor])),
    ...Object.fromEntries(Object.entries(state.average).map(([name, tensor]) => [`average/${name}`, tensor])),
  };
  const { fetched, kept } = await program.run(
    Object.fromEntries(program.inputNames.map((name) => [name, feeds[name]!])),
    { fetch: ['loss', 'correct'], keep: outputs.map(({ output }) => output) },
  );
  for (const { output, group, name } of outputs) {
    state[group][name]!.release();
    state[group][name] = kept[output]!;
  }
  return { loss: Number(fetched.loss!.data[0]), correct: Number(fetched.correct!.data[0]) };
}

const END: Clock = { step: Number.MAX_SAFE_INTEGER, stepsPerEpoch: 1, epochs: 1 };
