/** @file Weights between the engine, checkpoints and models. */
import type { Tensor as GraphTensor } from 'onnx-grad';
import { TrainingError, UsageError } from '../errors.ts';
import type { ModelDescription } from '../models/classifier.ts';
import type { ResidentTensor, Runtime } from '../runtime/runtime.ts';
import type { Weights } from './checkpoint.ts';

/**
 * The weights, if every number of them is finite: the last update of an epoch may break some whose loss is not looked at
 * any more.
 *
 * @throws TrainingError
 */
export function finite(weights: Weights, epoch: number): Weights {
  const broken = Object.keys(weights).find((name) => !(weights[name]!.data as Float32Array).every(Number.isFinite));
  if (broken === undefined) return weights;
  throw new TrainingError(
    `After epoch ${epoch}, '${broken}' holds numbers that are not finite: lower the learning rate, or clip the gradients.`,
  );
}

/**
 * Puts saved weights in the place of those with the engine.
 *
 * @throws UsageError when they are not those of the same model
 */
export async function restore(runtime: Runtime, into: Record<string, ResidentTensor>, weights: Weights): Promise<void> {
  for (const [name, tensor] of Object.entries(into)) {
    const saved = weights[name];
    if (saved === undefined || saved.shape.join() !== tensor.shape.join()) {
      throw new UsageError(`the checkpoint does not fit the model: '${name}' is missing or of another shape`);
    }
    into[name] = await runtime.upload(saved);
    tensor.release();
  }
}

/** A model with other weights. */
export function withWeights(model: ModelDescription, weights: Weights): ModelDescription {
  const initializers = new Map(model.graph.initializers);
  for (const [name, { shape, data }] of Object.entries(weights)) {
    const tensor: GraphTensor = { dtype: 'float32', shape, data: data as Float32Array };
    initializers.set(name, tensor);
  }
  return { ...model, graph: { ...model.graph, initializers } };
}
