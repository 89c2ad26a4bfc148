/** @file What a training needs to go on after it was stopped. Where it is kept is the caller's business. */
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';

export interface EpochRecord {
  /** Counted from 1. */
  readonly epoch: number;
  /** Mean training loss, on the images as they were fed. */
  readonly loss: number;
  /** Training accuracy on the images as they were fed: adversarial ones in adversarial training. */
  readonly trainingAccuracy: number;
  /** On the validation images; undefined without any. */
  readonly naturalAccuracy?: number;
  readonly robustAccuracy?: number;
  /** Under PGD, on images that were trained on: measured for methods of one attack step. */
  readonly trainingRobustAccuracy?: number;
  /** At the end of the epoch. */
  readonly learningRate: number;
  readonly seconds: number;
}

export type Weights = Record<string, HostTensor>;

export interface Checkpoint {
  /** Epochs completed. */
  readonly epoch: number;
  readonly parameters: Weights;
  readonly optimizer: Weights;
  /** What the method carries from batch to batch: the perturbation of free training. */
  readonly carried?: Weights;
  /** Moving averages of parameters and running statistics, where the training keeps them. */
  readonly average?: Weights;
  readonly best: { readonly epoch: number; readonly score: number; readonly parameters: Weights };
  readonly history: readonly EpochRecord[];
}

export interface CheckpointStore {
  load(): Promise<Checkpoint | undefined>;
  /** Replaces the stored checkpoint at once: a reader sees the old or the new one, never a mixture. */
  save(checkpoint: Checkpoint): Promise<void>;
}

export async function download(tensors: Readonly<Record<string, ResidentTensor>>): Promise<Weights> {
  const weights: Weights = {};
  for (const [name, tensor] of Object.entries(tensors)) weights[name] = await tensor.read();
  return weights;
}
