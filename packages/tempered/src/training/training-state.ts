/** @file What a training changes from step to step, placed with the engine. */
import type { ModelDescription } from '../models/classifier.ts';
import type { HostTensor, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { uploadAll } from '../runtime/upload-all.ts';
import { sizeOf } from '../tensor.ts';
import type { TrainingMethod } from './method.ts';
import { type Optimizer, stateNames } from './optimizer.ts';
import { trainingForm } from './training-graph.ts';

/** Everything a training changes, living with the engine. */
export interface TrainingState {
  /** Parameters and running statistics, by initializer name. */
  readonly parameters: Record<string, ResidentTensor>;
  /** The optimiser's tensors, by `<parameter>.<state name>`. */
  readonly optimizer: Record<string, ResidentTensor>;
  /** What a method carries from batch to batch: the perturbation of free training. */
  readonly carried: Record<string, ResidentTensor>;
  /** Moving averages of the parameters and running statistics; empty without averaging. */
  readonly average: Record<string, ResidentTensor>;
}

/** What free training carries from batch to batch. */
export const PERTURBATION = 'perturbation';

/** Shapes of what a method carries from batch to batch; it starts at zero. */
export function carriedShapes(
  { replays }: TrainingMethod,
  { inputShape }: ModelDescription,
  batchSize: number,
): Record<string, readonly number[]> {
  return replays ? { [PERTURBATION]: [batchSize, ...inputShape] } : {};
}

/**
 * Places a model's float initializers with the engine, once more where they are averaged, and zeros for the optimiser and
 * for what is carried along.
 */
export async function createTrainingState(
  runtime: Runtime,
  model: ModelDescription,
  optimizer: Optimizer,
  carried: Readonly<Record<string, readonly number[]>> = {},
  averaged = false,
): Promise<TrainingState> {
  const { trainable, statistics } = trainingForm(model.graph);
  const parameters: Record<string, HostTensor> = {};
  for (const name of [...trainable, ...Object.keys(statistics)]) {
    const { shape, data } = model.graph.initializers.get(name)!;
    if (!(data instanceof Float32Array)) throw new TypeError(`parameter '${name}' is not float32`);
    parameters[name] = { dtype: 'float32', shape, data };
  }
  const zero = (shape: readonly number[]): HostTensor => ({
    dtype: 'float32',
    shape,
    data: new Float32Array(sizeOf(shape)),
  });
  const slots: Record<string, HostTensor> = {};
  for (const name of trainable)
    for (const slot of stateNames(optimizer)) slots[`${name}.${slot}`] = zero(parameters[name]!.shape);
  const state = { parameters: await uploadAll(runtime, parameters), optimizer: {}, carried: {}, average: {} };
  try {
    state.optimizer = await uploadAll(runtime, slots);
    const zeros = Object.entries(carried).map(([name, shape]) => [name, zero(shape)] as const);
    state.carried = await uploadAll(runtime, Object.fromEntries(zeros));
    if (averaged) state.average = await uploadAll(runtime, parameters);
    return state;
  } catch (error) {
    releaseTrainingState(state);
    throw error;
  }
}

export function releaseTrainingState(state: TrainingState): void {
  for (const group of Object.values(state) as TrainingState[keyof TrainingState][])
    for (const tensor of Object.values(group)) tensor.release();
}
