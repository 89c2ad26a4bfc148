import { DataError } from '../errors.ts';
import type { Work } from '../progress.ts';
import { type Tensor, zeros } from '../tensor.ts';
import { chunks, defaultBatchSize, feed, floats, padRows } from './batching.ts';
import { type Classifier, checkImages } from './classifier.ts';

export interface PredictOptions extends Work {
  /** Images a run; default: at most 50, fewer for large images. */
  batchSize?: number;
  /** What errors call the images. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
}

/**
 * Logits of images.
 *
 * @param images [N, C, H, W] in [0, 1]
 * @returns [N, K]
 * @throws UsageError when the images do not fit the classifier; DataError when a logit is not finite
 */
export async function predictLogits(
  classifier: Classifier,
  images: Tensor,
  { batchSize = defaultBatchSize(classifier.description), signal, onProgress, imageNumbers }: PredictOptions = {},
): Promise<Tensor> {
  checkImages(classifier, images);
  const count = images.shape[0]!;
  const classes = classifier.classes.length;
  const result = zeros([count, classes]);
  const plan = chunks(count, batchSize, classifier.description);
  const program = await classifier.program('logits', plan.batch, ({ g, batch, model }) => {
    const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
    g.output(model(x).logits, 'logits_out');
  });
  for (const chunk of plan.chunks) {
    signal?.throwIfAborted();
    const { fetched } = await program.run({ x: feed(padRows(images, chunk, plan.batch)) });
    const logits = floats(fetched.logits_out!).subarray(0, (chunk.end - chunk.start) * classes);
    const bad = logits.findIndex((logit) => !Number.isFinite(logit));
    if (bad >= 0) {
      const row = chunk.start + Math.floor(bad / classes);
      throw new DataError(
        `'${classifier.description.name}' gives the logit ${logits[bad]} for image ${imageNumbers?.[row] ?? row}: no prediction can be read from that`,
      );
    }
    result.data.set(logits, chunk.start * classes);
    onProgress?.({ stage: 'predict', done: chunk.end, total: count });
  }
  return result;
}

/** Index of the largest entry of each row of [N, K]; the first of equals. */
export function argmaxRows(logits: Tensor): Int32Array {
  const [count = 0, classes = 0] = logits.shape;
  return Int32Array.from({ length: count }, (_, row) => {
    const base = row * classes;
    let best = 0;
    for (let k = 1; k < classes; k++) if (logits.data[base + k]! > logits.data[base + best]!) best = k;
    return best;
  });
}

/** How many classes come before the label in each row of [N, K]: 0 exactly where `argmaxRows` gives the label. */
export function ranksOf(logits: Tensor, labels: ArrayLike<number>): Int32Array {
  const [count = 0, classes = 0] = logits.shape;
  return Int32Array.from({ length: count }, (_, row) => {
    const scores = logits.data.subarray(row * classes, (row + 1) * classes);
    const own = scores[labels[row]!]!;
    return scores.reduce((rank, score, k) => rank + Number(score > own || (score === own && k < labels[row]!)), 0);
  });
}

/** Softmax of each row of [N, K], stable for large logits. */
export function softmaxRows(logits: Tensor): Tensor {
  const [count = 0, classes = 0] = logits.shape;
  const result = zeros([count, classes]);
  for (let row = 0; row < count; row++) {
    const values = logits.data.subarray(row * classes, (row + 1) * classes);
    const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const exponentials = Array.from(values, (z) => Math.exp(z - top));
    const total = exponentials.reduce((a, b) => a + b, 0);
    exponentials.forEach((e, k) => {
      result.data[row * classes + k] = e / total;
    });
  }
  return result;
}

/** Predicted class of each image. */
export async function predict(
  classifier: Classifier,
  images: Tensor,
  options: PredictOptions = {},
): Promise<Int32Array> {
  return argmaxRows(await predictLogits(classifier, images, options));
}

/** The most likely class of each image and its probability. */
export async function likeliest(
  classifier: Classifier,
  images: Tensor,
  options: PredictOptions = {},
): Promise<{ label: string; probability: number }[]> {
  const logits = await predictLogits(classifier, images, options);
  const probabilities = softmaxRows(logits).data;
  const { classes } = classifier;
  return Array.from(argmaxRows(logits), (k, i) => ({
    label: classes[k]!,
    probability: probabilities[i * classes.length + k]!,
  }));
}
