/** @file What becomes of every single image of a data set under attack. */
import { type Attack, perturb } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import { defaultBatchSize } from '../models/batching.ts';
import type { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { checkEpsilon } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import { fitDataset } from './fit.ts';

export interface LedgerOptions extends Work {
  dataset: Dataset;
  attack: Attack;
  /** Radii in pixel units. */
  epsilons: readonly number[];
  seed?: number;
  batchSize?: number;
}

/** Entry i of every list belongs to image i of the data set. */
export interface Ledger {
  /** True classes, as the classifier counts them. */
  readonly labels: Int32Array;
  /** Predictions for the unperturbed images. */
  readonly natural: Int32Array;
  readonly underAttack: readonly LedgerAtEpsilon[];
}

export interface LedgerAtEpsilon {
  /** In pixel units. */
  readonly epsilon: number;
  readonly predictions: Int32Array;
  /** Length of each perturbation under the attack's norm; 0 for images that were wrong already. */
  readonly distance: Float64Array;
  /** Attacked images whose gradient was exactly 0 where the attack started; see `Perturbed`. */
  readonly zeroGradients: number;
}

/**
 * Attacks every image that is classified right, at each ε. Images that are wrong already are left as they are: the
 * unperturbed image lies in every ball.
 *
 * @throws UsageError for a negative ε or a data set that does not fit
 */
export async function attackEach(
  classifier: Classifier,
  options: LedgerOptions & { onEpsilon?: (result: LedgerAtEpsilon, labels: Int32Array) => void },
): Promise<Ledger> {
  const { attack, epsilons, seed, batchSize, signal, onProgress, onEpsilon } = options;
  for (const epsilon of epsilons) checkEpsilon(epsilon);
  const dataset = fitDataset(classifier.description, options.dataset);
  const { labels, predictions: natural } = await predictEach(classifier, dataset, { signal, batchSize });
  const right = Uint32Array.from(labels.keys()).filter((i) => natural[i] === labels[i]);
  const underAttack: LedgerAtEpsilon[] = [];
  for (const [index, epsilon] of epsilons.entries()) {
    const predictions = natural.slice();
    const distance = new Float64Array(labels.length);
    const zeroGradients = epsilon > 0 ? await attackInto({ epsilon, predictions, distance }, index) : 0;
    const result = { epsilon, predictions, distance, zeroGradients };
    underAttack.push(result);
    onEpsilon?.(result, labels);
  }
  return { labels, natural, underAttack };

  /** Writes the predictions and distances, and returns how many images gave no gradient. */
  async function attackInto(
    { epsilon, predictions, distance }: Omit<LedgerAtEpsilon, 'zeroGradients'>,
    index: number,
  ): Promise<number> {
    let done = 0;
    let zeroGradients = 0;
    for (const imageNumbers of blocks(right, blockSize(classifier, batchSize))) {
      const perturbed = await perturb(classifier, attack, {
        ...dataset.batch(imageNumbers),
        imageNumbers,
        epsilon,
        seed,
        batchSize,
        signal,
        onProgress:
          onProgress &&
          ((progress) =>
            onProgress({
              ...progress,
              stage: `${attack.name} at ${Number(epsilon.toPrecision(3))}`,
              done: index * right.length + done + Math.floor((imageNumbers.length * progress.done) / progress.total),
              total: epsilons.length * right.length,
            })),
      });
      for (const [k, i] of imageNumbers.entries()) {
        predictions[i] = perturbed.predictions[k]!;
        distance[i] = perturbed.distance[k]!;
      }
      done += imageNumbers.length;
      zeroGradients += perturbed.zeroGradients;
    }
    return zeroGradients;
  }
}

/** Labels and predictions of a whole data set that fits the classifier. */
export async function predictEach(
  classifier: Classifier,
  dataset: Dataset,
  { signal, onProgress, batchSize }: Work & { batchSize?: number },
): Promise<{ labels: Int32Array; predictions: Int32Array }> {
  const labels = new Int32Array(dataset.count);
  const predictions = new Int32Array(dataset.count);
  const all = Uint32Array.from(labels.keys());
  let start = 0;
  for (const indices of blocks(all, blockSize(classifier, batchSize))) {
    const part = dataset.batch(indices);
    labels.set(part.labels, start);
    const found = await predict(classifier, part.images, {
      imageNumbers: indices,
      signal,
      batchSize,
      onProgress:
        onProgress && ((progress) => onProgress({ ...progress, done: start + progress.done, total: all.length })),
    });
    predictions.set(found, start);
    start += indices.length;
  }
  return { labels, predictions };
}

/** One line an image and ε: `image,label,natural,epsilon,prediction,distance`. Images and classes are numbered from 0. */
export function ledgerCsv({ labels, natural, underAttack }: Ledger): string {
  const lines = underAttack.flatMap(({ epsilon, predictions, distance }) =>
    Array.from(labels, (label, i) => [i, label, natural[i], epsilon, predictions[i], distance[i]].join()),
  );
  return `${['image,label,natural,epsilon,prediction,distance', ...lines].join('\n')}\n`;
}

/** Images that are turned into floats at a time: a data set keeps them as bytes, and may be large. */
const blockSize = ({ description }: Classifier, batchSize = defaultBatchSize(description)): number => 20 * batchSize;

/** Parts of almost equal length: a short last one would need programs of its own. */
function* blocks(indices: Uint32Array, most: number): Generator<Uint32Array> {
  const parts = Math.ceil(indices.length / most);
  for (let part = 0; part < parts; part++) {
    const [start, end] = [part, part + 1].map((k) => Math.round((k * indices.length) / parts));
    yield indices.subarray(start, end);
  }
}
