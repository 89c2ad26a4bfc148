/** @file The explained quantity and its gradient at images, a batch at a time. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { chunks, feed, floats, oneHot, padLabels, padRows } from '../models/batching.ts';
import type { Classifier } from '../models/classifier.ts';
import { objectives } from '../objectives/objectives.ts';
import type { Work } from '../progress.ts';
import { type Tensor, zeros } from '../tensor.ts';
import type { Explained } from './method.ts';

const OBJECTIVE = { logit: 'logit', probability: 'probability', loss: 'cross-entropy' } as const;

/** Writes what is explained, [N], from logits and one-hot targets, both [N, K]. */
export function explained(g: GraphBuilder, logits: Value, target: Value, of: Explained): Value {
  return objectives[OBJECTIVE[of]].build(g, logits, target);
}

export interface AtImagesOptions extends Work {
  images: Tensor;
  targets: Int32Array;
  of: Explained;
  batchSize: number;
}

/** The explained quantity at each image, [N]. */
export async function valuesAt(classifier: Classifier, options: AtImagesOptions): Promise<Float32Array> {
  return (await evaluate(classifier, options, false)).values;
}

/** The explained quantity and its gradient at each image: [N] and the images' shape. */
export function gradientsAt(
  classifier: Classifier,
  options: AtImagesOptions,
): Promise<{ values: Float32Array; gradients: Tensor }> {
  return evaluate(classifier, options, true);
}

async function evaluate(
  classifier: Classifier,
  { images, targets, of, batchSize, signal, onProgress }: AtImagesOptions,
  withGradients: boolean,
): Promise<{ values: Float32Array; gradients: Tensor }> {
  const count = targets.length;
  const plan = chunks(count, batchSize, classifier.description);
  const program = await classifier.program(`explained ${of} ${withGradients}`, plan.batch, ({ g, batch, model }) => {
    const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
    const target = g.input('target', 'float32', [batch, classifier.classes.length]);
    const value = explained(g, model(x).logits, target, of);
    g.output(value, 'value');
    if (withGradients) g.output(gradient(g, { of: value, wrt: [x] })[0]!, 'gradient');
  });
  const values = new Float32Array(count);
  const gradients = zeros(withGradients ? images.shape : [0]);
  for (const chunk of plan.chunks) {
    signal?.throwIfAborted();
    const { fetched } = await program.run({
      x: feed(padRows(images, chunk, plan.batch)),
      target: feed(oneHot(padLabels(targets, chunk, plan.batch), classifier.classes.length)),
    });
    const used = chunk.end - chunk.start;
    values.set(floats(fetched.value!).subarray(0, used), chunk.start);
    if (withGradients) {
      const part = floats(fetched.gradient!);
      const size = part.length / plan.batch;
      gradients.data.set(part.subarray(0, used * size), chunk.start * size);
    }
    onProgress?.({ stage: 'gradient', done: chunk.end, total: count });
  }
  return { values, gradients };
}
