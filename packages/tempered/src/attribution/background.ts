import { UsageError } from '../errors.ts';
import { type Classifier, checkImages } from '../models/classifier.ts';
import type { Tensor } from '../tensor.ts';
import { checkFinite } from './check-finite.ts';

/** Throws a UsageError unless a background is finite images that fit the classifier, at least one; `use` says what for. */
export function checkBackground(classifier: Classifier, background: Tensor, use: string): void {
  checkImages(classifier, background);
  if (background.shape[0] === 0) throw new UsageError(`the background has no images: ${use}`);
  checkFinite('the background', background);
}
