/** @file One training step as one compiled graph: loss, gradients and update. */
import {
  type DataType,
  decompose,
  emptyGraph,
  GraphBuilder,
  gradient,
  specialize,
  type Value,
  writeModel,
} from 'onnx-grad';
import type { ModelDescription } from '../models/classifier.ts';
import { graphInProgram, inProgram, keysInProgram } from '../models/namespace.ts';
import { objectives } from '../objectives/objectives.ts';
import type { HostTensor, Program, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { uploadAll } from '../runtime/upload-all.ts';
import { sizeOf } from '../tensor.ts';
import { type Optimizer, stateNames, stepScalars, writeUpdate } from './optimizer.ts';
import { trainingForm } from './training-graph.ts';

/** Everything a training changes, living with the engine. */
export interface TrainingState {
  /** Parameters and running statistics, by initializer name. */
  readonly parameters: Record<string, ResidentTensor>;
  /** The optimiser's tensors, by `<parameter>.<state name>`. */
  readonly optimizer: Record<string, ResidentTensor>;
}

export interface StepResult {
  /** Mean loss of the batch. */
  readonly loss: number;
  /** How many images of the batch were classified right, as they were fed. */
  readonly correct: number;
}

export interface TrainingStep {
  /** Runs one step on images [batch, C, H, W] and one-hot classes [batch, K], and replaces the state. */
  run(feeds: {
    x: HostTensor | ResidentTensor;
    target: HostTensor;
    step: number;
    learningRate: number;
  }): Promise<StepResult>;
  release(): void;
}

/** Compiles the training step of a model. */
export async function compileTrainingStep(
  runtime: Runtime,
  model: ModelDescription,
  { optimizer, batchSize, state }: { optimizer: Optimizer; batchSize: number; state: TrainingState },
): Promise<TrainingStep> {
  const specialized = specialize(
    model.graph,
    { [model.input]: [batchSize, ...model.inputShape] },
    { parameters: Object.keys(state.parameters) },
  );
  const { graph: trainingGraph, statistics } = trainingForm(specialized);
  const graph = graphInProgram(trainingGraph);
  const g = new GraphBuilder(emptyGraph(`train ${model.name}`));
  const x = g.input('x', 'float32', [batchSize, ...model.inputShape]);
  const target = g.input('target', 'float32', [batchSize, model.classes.length]);
  const scalars = Object.fromEntries(
    Object.keys(stepScalars(optimizer, 1, 0)).map((name) => [name, g.input(name, 'float32', [])]),
  );
  const parameters: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of Object.entries(state.parameters))
    parameters[name] = g.input(inProgram(name), dtype as DataType, shape);

  const values = g.append(graph, { [inProgram(model.input)]: x, ...keysInProgram(parameters) });
  const logits = g.reshape(values.get(inProgram(model.logits))!, [batchSize, model.classes.length]);
  const loss = g.reduceMean(objectives['cross-entropy'].build(g, logits, target), [0]);
  const margin = objectives.margin.build(g, logits, target);
  g.output(loss, 'loss');
  g.output(g.reduceSum(g.cast(g.less(margin, g.constant(0)), 'float32'), [0]), 'correct');

  const trained = trainingForm(model.graph).trainable;
  const gradients = gradient(g, { of: loss, wrt: trained.map((name) => parameters[name]!) });
  const kept: { output: string; group: 'parameters' | 'optimizer'; name: string }[] = [];
  trained.forEach((name, i) => {
    const slots = stateNames(optimizer).map((slot) => `${name}.${slot}`);
    const slotValues = slots.map((slot) => g.input(inProgram(slot), 'float32', parameters[name]!.shape));
    const next = writeUpdate(g, optimizer, {
      parameter: parameters[name]!,
      gradient: gradients[i]!,
      state: slotValues,
      scalars,
    });
    keep(next.parameter, 'parameters', name);
    next.state.forEach((value, k) => {
      keep(value, 'optimizer', slots[k]!);
    });
  });
  for (const [name, output] of Object.entries(statistics)) keep(values.get(inProgram(output))!, 'parameters', name);

  function keep(value: Value, group: 'parameters' | 'optimizer', name: string): void {
    const output = `next/${name}`;
    g.output(value, output);
    kept.push({ output, group, name });
  }

  const program = await runtime.compile(writeModel(decompose(g.graph)), { label: `training step of ${model.name}` });
  return {
    run: (feeds) => runStep(program, optimizer, state, kept, feeds),
    release: () => program.release(),
  };
}

async function runStep(
  program: Program,
  optimizer: Optimizer,
  state: TrainingState,
  outputs: readonly { output: string; group: 'parameters' | 'optimizer'; name: string }[],
  { x, target, step, learningRate }: Parameters<TrainingStep['run']>[0],
): Promise<StepResult> {
  const scalars = Object.fromEntries(
    Object.entries(stepScalars(optimizer, step, learningRate)).map(([name, value]): [string, HostTensor] => [
      name,
      { dtype: 'float32', shape: [], data: Float32Array.of(value) },
    ]),
  );
  const { fetched, kept } = await program.run(
    { x, target, ...scalars, ...keysInProgram(state.parameters), ...keysInProgram(state.optimizer) },
    { fetch: ['loss', 'correct'], keep: outputs.map(({ output }) => output) },
  );
  for (const { output, group, name } of outputs) {
    state[group][name]!.release();
    state[group][name] = kept[output]!;
  }
  return { loss: Number(fetched.loss!.data[0]), correct: Number(fetched.correct!.data[0]) };
}

/** Places a model's float initializers with the engine, and zeros for the optimiser. */
export async function createTrainingState(
  runtime: Runtime,
  model: ModelDescription,
  optimizer: Optimizer,
): Promise<TrainingState> {
  const { trainable, statistics } = trainingForm(model.graph);
  const parameters: Record<string, HostTensor> = {};
  for (const name of [...trainable, ...Object.keys(statistics)]) {
    const { shape, data } = model.graph.initializers.get(name)!;
    if (!(data instanceof Float32Array)) throw new TypeError(`parameter '${name}' is not float32`);
    parameters[name] = { dtype: 'float32', shape, data };
  }
  const slots: Record<string, HostTensor> = {};
  for (const name of trainable) {
    const { shape } = parameters[name]!;
    for (const slot of stateNames(optimizer))
      slots[`${name}.${slot}`] = { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)) };
  }
  const state: TrainingState = { parameters: await uploadAll(runtime, parameters), optimizer: {} };
  try {
    return { ...state, optimizer: await uploadAll(runtime, slots) };
  } catch (error) {
    releaseTrainingState(state);
    throw error;
  }
}

export function releaseTrainingState(state: TrainingState): void {
  for (const tensor of [...Object.values(state.parameters), ...Object.values(state.optimizer)]) tensor.release();
}
