/** @file Tasks for tests of measures. */
import type { Classifier } from '../../../models/classifier.ts';
import type { Tensor } from '../../../tensor.ts';
import type { MeasureTask } from '../measure.ts';

/** Images and maps of class 0, one channel a map unless they say otherwise. */
export const taskOf = (
  classifier: Classifier,
  images: Tensor,
  attributions: Tensor,
  more: Partial<MeasureTask> = {},
): MeasureTask => ({
  classifier,
  images,
  attributions,
  targets: new Int32Array(images.shape[0]!),
  ranking: 'signed',
  scale: 'local',
  seed: 0,
  imageNumbers: Array.from({ length: images.shape[0]! }, (_, i) => i),
  batchSize: 7,
  ...more,
});
