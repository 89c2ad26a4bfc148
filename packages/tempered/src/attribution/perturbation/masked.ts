/** @file Copies of one image, or of its values at a layer, of which masks show parts, and the baseline elsewhere. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { chunks, feed, floats } from '../../models/batching.ts';
import type { ClassifierProgram, ProgramContext } from '../../models/classifier.ts';
import type { HostTensor, ResidentTensor } from '../../runtime/runtime.ts';
import { uploadAll } from '../../runtime/upload-all.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { explained, keyOfExplained } from '../explained.ts';
import type { Task } from '../explanation.ts';

/** What is masked of one image: its own values or those at the task's layer, and the same of its baselines. */
export interface Masked {
  /** Row of the task. */
  readonly row: number;
  /** [1, ...]. */
  readonly values: Tensor;
  /** Each of the same shape. */
  readonly baselines: readonly Tensor[];
}

/** What stays with the engine while one image is explained. */
export interface AtEngine {
  /** Inputs of programs. */
  readonly fixed: Readonly<Record<string, ResidentTensor>>;
  /** To be fed as `baseline`, one after the other. */
  readonly baselines: readonly ResidentTensor[];
  /** Of what is masked, without the batch axis. */
  readonly shape: readonly number[];
}

/** Places what is masked with the engine, and what else programs read, for as long as `use` works. */
export async function withMasked<T>(
  { classifier, images, targetRows, layer }: Task,
  { row, values, baselines }: Masked,
  others: Readonly<Record<string, HostTensor>>,
  use: (at: AtEngine) => Promise<T>,
): Promise<T> {
  const own: Record<string, HostTensor> = {
    ...others,
    values: feed(values),
    ...(layer !== undefined && { image: feed(rows(images, row, row + 1)) }),
    target: feed(rows(targetRows, row, row + 1)),
  };
  const named = Object.fromEntries(baselines.map((baseline, draw) => [`baseline ${draw}`, feed(baseline)]));
  const uploaded: Record<string, ResidentTensor> = await uploadAll(classifier.runtime, { ...own, ...named });
  try {
    return await use({
      fixed: Object.fromEntries(Object.keys(own).map((name) => [name, uploaded[name]!])),
      baselines: baselines.map((_, draw) => uploaded[`baseline ${draw}`]!),
      shape: values.shape.slice(1),
    });
  } finally {
    for (const tensor of Object.values(uploaded)) tensor.release();
  }
}

/**
 * Writes what is explained, [batch], at mask · values + (1 − mask) · baseline, for masks that broadcast with
 * [batch, ...shape]. Where a mask is 1 or 0, that is the values or the baseline to the last bit. At a layer, what goes
 * past it is that of the image.
 */
export function writeMasked(
  { g, batch, model }: ProgramContext,
  { classifier, of, layer }: Task,
  shape: readonly number[],
  mask: Value,
): Value {
  const values = g.input('values', 'float32', [1, ...shape]);
  const baseline = g.input('baseline', 'float32', [1, ...shape]);
  const target = g.input('target', 'float32', [1, classifier.classes.length]);
  const blend = g.add(g.mul(mask, values), g.mul(g.offset(g.neg(mask), 1), baseline));
  if (layer === undefined) return explained(g, model(blend), target, of);
  const image = g.input('image', 'float32', [1, ...classifier.inputShape]);
  const images = g.expand(image, [batch, ...classifier.inputShape]);
  return explained(g, model(images, { [layer]: blend }), target, of);
}

/** Distinguishes programs that mask and explain different things. */
export const keyOfMasked = ({ of, layer }: Task): string =>
  `${keyOfExplained(of)}${layer === undefined ? '' : ` at ${layer}`}`;

/** Those of the tensors that a program reads: a unit inside the network has no target class. */
export const readBy = (
  { inputNames }: ClassifierProgram,
  tensors: Readonly<Record<string, HostTensor | ResidentTensor>>,
): Record<string, HostTensor | ResidentTensor> =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => inputNames.includes(name)));

export interface Masking {
  /** Names the kind of masks: equal keys mean equal programs. */
  readonly key: string;
  readonly count: number;
  /** How many numbers describe a mask. */
  readonly length: number;
  /** Writes the numbers of a mask into zeros. */
  write(index: number, numbers: Float32Array): void;
  /** Writes masks that broadcast with [batch, ...shape] from their numbers [batch, length]. */
  mask(g: GraphBuilder, numbers: Value): Value;
  /** Called after every run with the evaluations done, of `count` times the baselines. */
  onValues(done: number): void;
}

/** What is explained under each mask, the mean over the baselines. */
export async function maskedValues(
  task: Task,
  { fixed, baselines, shape }: AtEngine,
  { key, count, length, write, mask, onValues }: Masking,
): Promise<Float64Array> {
  const { classifier, batchSize, signal, cost } = task;
  const values = new Float64Array(count);
  const plan = chunks(count, batchSize, classifier.description);
  const program = await classifier.program(`${key}, ${keyOfMasked(task)}`, plan.batch, (context) => {
    const numbers = context.g.input('numbers', 'float32', [context.batch, length]);
    context.g.output(writeMasked(context, task, shape, mask(context.g, numbers)), 'value');
  });
  for (const [draw, baseline] of baselines.entries()) {
    for (const { start, end } of plan.chunks) {
      signal?.throwIfAborted();
      const numbers = new Float32Array(plan.batch * length);
      // Unused places repeat the last mask.
      for (let i = 0; i < plan.batch; i++)
        write(Math.min(start + i, end - 1), numbers.subarray(i * length, (i + 1) * length));
      const feeds = { ...fixed, baseline, numbers: feed({ shape: [plan.batch, length], data: numbers }) };
      const { fetched } = await program.run(readBy(program, feeds));
      const found = floats(fetched.value!);
      for (let i = start; i < end; i++) values[i]! += found[i - start]! / baselines.length;
      cost.forwards += end - start;
      onValues(draw * count + end);
    }
  }
  return values;
}
