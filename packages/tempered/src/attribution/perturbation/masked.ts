/** @file Copies of one image of which masks show parts, and the baseline elsewhere. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { chunks, feed, floats } from '../../models/batching.ts';
import type { ClassifierProgram, ProgramContext } from '../../models/classifier.ts';
import type { HostTensor, ResidentTensor } from '../../runtime/runtime.ts';
import { uploadAll } from '../../runtime/upload-all.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { explained, keyOfExplained } from '../explained.ts';
import type { Task } from '../explanation.ts';

/** What stays with the engine while one image is explained. */
export interface ImageAtEngine {
  /** Inputs of programs, the image and its row of targets among them. */
  readonly fixed: Readonly<Record<string, ResidentTensor>>;
  /** Each [1, ...]. */
  readonly baselines: readonly ResidentTensor[];
}

/** Places an image of the task with the engine, with its baselines and more, for as long as `use` works. */
export async function withImage<T>(
  { classifier, images, targetRows }: Task,
  place: number,
  baselines: readonly Tensor[],
  others: Readonly<Record<string, HostTensor>>,
  use: (at: ImageAtEngine) => Promise<T>,
): Promise<T> {
  const own = {
    ...others,
    image: feed(rows(images, place, place + 1)),
    target: feed(rows(targetRows, place, place + 1)),
  };
  const named = Object.fromEntries(baselines.map((baseline, draw) => [`baseline ${draw}`, feed(baseline)]));
  const uploaded: Record<string, ResidentTensor> = await uploadAll(classifier.runtime, { ...own, ...named });
  try {
    return await use({
      fixed: Object.fromEntries(Object.keys(own).map((name) => [name, uploaded[name]!])),
      baselines: baselines.map((_, draw) => uploaded[`baseline ${draw}`]!),
    });
  } finally {
    for (const tensor of Object.values(uploaded)) tensor.release();
  }
}

/**
 * Writes what is explained, [batch], at mask · image + (1 − mask) · baseline, for masks that broadcast with
 * [batch, ...input shape]. Where a mask is 1 or 0, that is the image or the baseline to the last bit.
 */
export function writeMasked({ g, model }: ProgramContext, { classifier, of }: Task, mask: Value): Value {
  const image = g.input('image', 'float32', [1, ...classifier.inputShape]);
  const baseline = g.input('baseline', 'float32', [1, ...classifier.inputShape]);
  const target = g.input('target', 'float32', [1, classifier.classes.length]);
  const hidden = g.offset(g.neg(mask), 1);
  return explained(g, model(g.add(g.mul(mask, image), g.mul(hidden, baseline))), target, of);
}

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
  /** Writes masks that broadcast with [batch, ...input shape] from their numbers [batch, length]. */
  mask(g: GraphBuilder, numbers: Value): Value;
  /** Called after every run with the evaluations done, of `count` times the baselines. */
  onValues(done: number): void;
}

/** What is explained under each mask, the mean over the baselines. */
export async function maskedValues(
  task: Task,
  { fixed, baselines }: ImageAtEngine,
  { key, count, length, write, mask, onValues }: Masking,
): Promise<Float64Array> {
  const { classifier, of, batchSize, signal, cost } = task;
  const values = new Float64Array(count);
  const plan = chunks(count, batchSize, classifier.description);
  const program = await classifier.program(`${key}, ${keyOfExplained(of)}`, plan.batch, (context) => {
    const numbers = context.g.input('numbers', 'float32', [context.batch, length]);
    context.g.output(writeMasked(context, task, mask(context.g, numbers)), 'value');
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
