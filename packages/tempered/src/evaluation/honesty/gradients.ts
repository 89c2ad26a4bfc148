/** @file How good a guide the gradient is: whether there is one, and whether the model does what it promises. */
import { gradient, type Value } from 'onnx-grad';
import { chunks, defaultBatchSize, feed, floats, oneHot, padLabels, padRows } from '../../models/batching.ts';
import type { Classifier, ProgramContext } from '../../models/classifier.ts';
import { type ObjectiveName, objectives } from '../../objectives/objectives.ts';
import { perImage } from '../../optimize/ball.ts';
import { createRandom } from '../../random.ts';
import { percentile } from '../../statistics.ts';
import { rows, sizeOf, type Tensor, zeros } from '../../tensor.ts';

export interface Sample {
  /** [N, C, H, W] in [0, 1]. */
  readonly images: Tensor;
  /** True classes, [N]. */
  readonly labels: ArrayLike<number>;
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

export interface Gradients {
  /** The objective of each image, [N]. */
  readonly value: Float32Array;
  /** Its gradient by the image, [N, C, H, W]. */
  readonly gradient: Tensor;
  /** Σ|gradient| of each image, [N]; not finite where some entry is not. */
  readonly size: Float32Array;
}

/** An objective and its gradient at images. */
export async function gradientsAt(
  classifier: Classifier,
  sample: Sample,
  objective: ObjectiveName,
): Promise<Gradients> {
  const { images } = sample;
  const count = images.shape[0]!;
  const result = { value: new Float32Array(count), gradient: zeros(images.shape), size: new Float32Array(count) };
  await inChunks(
    classifier,
    sample,
    `gradient of ${objective}`,
    (context) => {
      const { g, x, target, model } = context;
      const value = objectives[objective].build(g, model(x).logits, target);
      const [dx] = gradient(g, { of: value, wrt: [x] });
      g.output(value, 'value');
      g.output(dx!, 'dx');
      g.output(g.op('ReduceL1', [dx!, g.integers(perImage(dx!))], { keepdims: 0 }), 'size');
    },
    ({ value, dx, size }, start) => {
      result.value.set(value!, start);
      result.size.set(size!, start);
      result.gradient.data.set(dx!, start * sizeOf(images.shape.slice(1)));
    },
  );
  return result;
}

/** An objective at images, [N]. */
export async function valuesAt(
  classifier: Classifier,
  sample: Sample,
  objective: ObjectiveName,
): Promise<Float32Array> {
  const result = new Float32Array(sample.images.shape[0]!);
  await inChunks(
    classifier,
    sample,
    `value of ${objective}`,
    ({ g, x, target, model }) => {
      g.output(objectives[objective].build(g, model(x).logits, target), 'value');
    },
    ({ value }, start) => result.set(value!, start),
  );
  return result;
}

interface SampleProgram extends ProgramContext {
  readonly x: Value;
  /** One-hot classes, [batch, K]. */
  readonly target: Value;
}

/** Runs a program of images and one-hot labels over all images; `take` gets the rows that are no padding. */
export async function inChunks(
  classifier: Classifier,
  { images, labels, batchSize = defaultBatchSize(classifier.description), signal }: Sample,
  key: string,
  build: (program: SampleProgram) => void,
  take: (outputs: Readonly<Record<string, Float32Array>>, start: number) => void,
): Promise<void> {
  const classes = classifier.classes.length;
  const plan = chunks(images.shape[0]!, batchSize, classifier.description);
  const program = await classifier.program(key, plan.batch, (context) => {
    const { g, batch } = context;
    const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
    build({ ...context, x, target: g.input('target', 'float32', [batch, classes]) });
  });
  for (const chunk of plan.chunks) {
    signal?.throwIfAborted();
    const target = feed(oneHot(padLabels(labels, chunk, plan.batch), classes));
    const { fetched } = await program.run({ x: feed(padRows(images, chunk, plan.batch)), target });
    const used = chunk.end - chunk.start;
    const outputs = Object.entries(fetched).map(([name, tensor]) => {
      const data = floats(tensor);
      return [name, data.subarray(0, (data.length / plan.batch) * used)] as const;
    });
    take(Object.fromEntries(outputs), chunk.start);
  }
}

/** Images without a usable gradient. */
export interface GradientShares {
  readonly count: number;
  /** Whose gradient is exactly 0 in every pixel. */
  readonly zero: number;
  /** Whose gradient is NaN or infinite in some pixel. */
  readonly notFinite: number;
}

export const sharesOf = ({ size }: Gradients): GradientShares => ({
  count: size.length,
  zero: size.filter((value) => value === 0).length,
  notFinite: size.filter((value) => !Number.isFinite(value)).length,
});

export interface Shattering {
  /** Length of the step in every pixel. */
  readonly step: number;
  /**
   * Median over images of |f(x + h) − f(x) − h · ∇f| over the larger of |f(x + h) − f(x)| and |h · ∇f|: 0 where the gradient
   * tells what happens, near 1 where it says nothing. Along the signs of the gradient, and along random signs.
   */
  readonly alongGradient: number;
  readonly alongRandom: number;
}

/**
 * Compares what the gradient of the margin promises with what the model does, for steps of several lengths. A random
 * model draws the same noise for every evaluation.
 *
 * @param steps changes of every pixel, in pixel units
 */
export async function measureShattering(
  classifier: Classifier,
  sample: Sample,
  steps: readonly number[],
): Promise<Shattering[]> {
  const probe = withSameNoise(classifier);
  const { value, gradient: slope } = await probe(() => gradientsAt(classifier, sample, 'margin'));
  const signs = { alongGradient: slope.data.map(Math.sign), alongRandom: randomSigns(slope) };
  const results: Shattering[] = [];
  for (const step of steps) {
    const index = async (direction: Float32Array) => {
      const moved = movedWithin(sample.images, direction, step);
      const after = await probe(() => valuesAt(classifier, { ...sample, images: moved }, 'margin'));
      const errors = Array.from(value, (before, i) => {
        const promised = innerProduct(
          rows(slope, i, i + 1).data,
          rows(moved, i, i + 1).data,
          rows(sample.images, i, i + 1).data,
        );
        const happened = after[i]! - before;
        const scale = Math.max(Math.abs(promised), Math.abs(happened));
        return scale === 0 ? 0 : Math.abs(happened - promised) / scale;
      });
      return percentile(errors, 50);
    };
    results.push({
      step,
      alongGradient: await index(signs.alongGradient),
      alongRandom: await index(signs.alongRandom),
    });
  }
  return results;
}

/** Runs work with the noise of a random model started anew each time. */
function withSameNoise(classifier: Classifier): <T>(work: () => Promise<T>) => Promise<T> {
  return (work) => {
    classifier.seedNoise(0);
    return work();
  };
}

function randomSigns(like: Tensor): Float32Array {
  const random = createRandom(0, 'signs');
  return like.data.map(() => (random.bits() & 1) * 2 - 1);
}

/** x + step · direction, turned round in pixels that would leave [0, 1]. */
export function movedWithin(images: Tensor, direction: Float32Array, step: number): Tensor {
  const data = images.data.map((pixel, i) => {
    const moved = pixel + step * direction[i]!;
    return moved < 0 || moved > 1 ? pixel - step * direction[i]! : moved;
  });
  return { ...images, data };
}

const innerProduct = (slope: Float32Array, after: Float32Array, before: Float32Array): number =>
  slope.reduce((sum, value, i) => sum + value * (after[i]! - before[i]!), 0);
