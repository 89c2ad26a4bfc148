/** @file The network on which measures are put to the test, and its images. */
import type { Dataset } from '../../data/dataset.ts';
import { subset } from '../../data/dataset.ts';
import { shapes } from '../../data/shapes/shapes.ts';
import { createModel } from '../../models/architectures/index.ts';
import type { Classifier, ModelDescription } from '../../models/classifier.ts';
import { predict } from '../../models/predict.ts';
import type { Work } from '../../progress.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { train } from '../../training/train.ts';
import { allOf } from '../accuracy.ts';

/** Without the pattern, whatever tells the classes apart lies on the object. */
const PICTURES = { amplitude: 0, seed: 0 } as const;

const TRAINING = { count: 2000, epochs: 6, batchSize: 50 } as const;

/** How it is trained, in words. */
export const CONTROL_MODEL_IN_WORDS = `small-cnn trained for ${TRAINING.epochs} epochs on ${TRAINING.count} pictures of shapes without the pattern, so that only the object tells the class`;

/** Trains the network, in seconds: about 0.8 of the test pictures are classified right. */
export async function trainControlModel(
  runtime: Runtime,
  { signal, onProgress }: Work = {},
): Promise<ModelDescription> {
  const dataset = shapes({ ...PICTURES, split: 'train', count: TRAINING.count });
  const { classes, imageShape } = dataset;
  const { epochs, batchSize } = TRAINING;
  const model = createModel({ architecture: 'small-cnn', inputShape: imageShape, classes, name: 'control' });
  const work = {
    signal,
    onProgress:
      onProgress && ((at: Parameters<typeof onProgress>[0]) => onProgress({ ...at, stage: 'train the control' })),
  };
  return (await train({ runtime, model, dataset, epochs, batchSize, ...work })).model;
}

/** The first test pictures that the network classifies right, with their masks. */
export async function controlImages(classifier: Classifier, count: number, work: Work = {}): Promise<Dataset> {
  const pictures = shapes({ ...PICTURES, split: 'test', count: 3 * count });
  const { images, labels } = allOf(pictures);
  const predictions = await predict(classifier, images, { signal: work.signal });
  const right = [...labels.keys()].filter((i) => predictions[i] === labels[i]);
  return subset(pictures, right.slice(0, count));
}
