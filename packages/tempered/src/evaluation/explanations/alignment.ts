/** @file The numbers behind "gradients of robust networks look better": do they lie on the object, and point along the image? */
import { type AttributionMethod, attribute } from '../../attribution/attribute.ts';
import type { Explained } from '../../attribution/explained.ts';
import { plainGradient } from '../../attribution/gradient.ts';
import type { Dataset } from '../../data/dataset.ts';
import { UsageError } from '../../errors.ts';
import { sumChannels } from '../../image/render.ts';
import type { Classifier } from '../../models/classifier.ts';
import type { Work } from '../../progress.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { inBlocks } from '../blocks.ts';
import { fitDataset } from '../fit.ts';
import { localization } from '../localization.ts';
import { type MeanOverImages, meanOverImages } from '../map-stability.ts';
import { attributionSparsity } from './gradient-sparsity.ts';
import { rocArea } from './localization.ts';
import type { MeasureKind } from './measure.ts';
import { pixelRelevance } from './ranking.ts';

/** One entry an image. */
export interface ObjectAlignment {
  /** Share of Σ|attribution| inside the mask; NaN for a map of zeros. */
  readonly share: Float64Array;
  /** Share of the image that the mask covers: the share of a map without knowledge. */
  readonly area: Float64Array;
  /**
   * Probability that a random pixel of the object has a larger |attribution| than a random one beside it, ties counted
   * half: the area under the ROC curve; 0.5 without knowledge. NaN for a mask that is empty or full.
   */
  readonly auc: Float64Array;
}

/**
 * Whether attributions lie on the object: the magnitude of a pixel is the sum of |attribution| over its channels.
 *
 * @param attributions [N, C, H, W]
 * @param masks [N, 1, H, W] of 0 and 1
 * @throws UsageError for shapes that do not fit
 */
export function objectAlignment(attributions: Tensor, masks: Tensor): ObjectAlignment {
  const { relevanceMass: share, area } = localization(attributions, masks);
  const magnitudes = pixelRelevance(attributions, 'magnitude');
  const auc = Float64Array.from({ length: share.length }, (_, n) =>
    rocArea(rows(magnitudes, n, n + 1).data, rows(masks, n, n + 1).data),
  );
  return { share, area, auc };
}

/** One entry an image. */
export interface ImageAlignment {
  /** |⟨x, ∇⟩| / ‖∇‖₂, in pixel units. */
  readonly alignment: Float64Array;
  /** ⟨x, ∇⟩ / (‖x‖₂ ‖∇‖₂), in [−1, 1]. */
  readonly cosine: Float64Array;
}

/**
 * Alignment of image and gradient, Etmann et al. 2019 ("On the Connection Between Adversarial Robustness and Saliency Map
 * Interpretability", definition 3), and their cosine. For a linear classifier of two classes without bias, and the
 * difference of its logits, the alignment is the distance to the decision boundary, so it grows with robustness.
 *
 * @param images [N, ...]
 * @param gradients of the same shape
 * @returns NaN where the gradient, or for the cosine the image, is 0
 * @throws UsageError for shapes that differ
 */
export function imageAlignment(images: Tensor, gradients: Tensor): ImageAlignment {
  if (images.shape.join() !== gradients.shape.join())
    throw new UsageError(
      `images of shape [${images.shape.join(', ')}] do not fit gradients of shape [${gradients.shape.join(', ')}]`,
    );
  const [count = 0] = images.shape;
  const size = images.data.length / count;
  const alignment = new Float64Array(count);
  const cosine = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    let [product, imageSquares, gradientSquares] = [0, 0, 0];
    for (let i = n * size; i < (n + 1) * size; i++) {
      const [x, slope] = [images.data[i]!, gradients.data[i]!];
      product += x * slope;
      imageSquares += x * x;
      gradientSquares += slope * slope;
    }
    alignment[n] = Math.abs(product) / Math.sqrt(gradientSquares);
    cosine[n] = product / (Math.sqrt(imageSquares) * Math.sqrt(gradientSquares));
  }
  return { alignment, cosine };
}

export interface GradientAlignmentOptions extends Work {
  dataset: Dataset;
  /** What stands for the gradient. Default: the gradient. */
  method?: AttributionMethod;
  /** Default: the logit of the true class. */
  of?: Explained;
  seed?: number;
  batchSize?: number;
}

/** Means over the images with 95 % intervals; null where no image has the number. */
export interface GradientAlignment {
  readonly count: number;
  readonly imageAlignment: MeanOverImages | null;
  readonly imageCosine: MeanOverImages | null;
  /** Gini index of |gradient|: 0 for equal magnitudes, near 1 for a single pixel. */
  readonly sparsity: MeanOverImages | null;
  /** Where the data set has masks: share of |gradient| on the object, its area, and the area under the ROC curve. */
  readonly objectShare?: MeanOverImages | null;
  readonly objectArea?: MeanOverImages | null;
  readonly objectAuc?: MeanOverImages | null;
}

/**
 * How well the gradients of a network fit image and object, over a data set.
 *
 * @throws UsageError when the data set does not fit the model
 * @example
 * const { objectAuc } = await gradientAlignment(classifier, { dataset: shapes({ split: 'test', count: 200 }) });
 */
export async function gradientAlignment(
  classifier: Classifier,
  { method = plainGradient(), of, seed, batchSize, signal, onProgress, ...options }: GradientAlignmentOptions,
): Promise<GradientAlignment> {
  const dataset = fitDataset(classifier.description, options.dataset);
  const found = { alignment: [], cosine: [], sparsity: [], share: [], area: [], auc: [] } as Record<
    keyof ImageAlignment | keyof ObjectAlignment | 'sparsity',
    number[]
  >;
  for (const { images, labels, imageNumbers, before, total } of inBlocks(classifier, { dataset, batchSize })) {
    const task = { images, method, of, target: labels, seed, imageNumbers, batchSize, signal };
    const { attributions } = await attribute(classifier, task);
    const { alignment, cosine } = imageAlignment(images, attributions);
    found.alignment.push(...alignment);
    found.cosine.push(...cosine);
    found.sparsity.push(...attributionSparsity(attributions));
    if (dataset.masks) {
      const { share, area, auc } = objectAlignment(attributions, dataset.masks(imageNumbers));
      found.share.push(...share);
      found.area.push(...area);
      found.auc.push(...auc);
    }
    onProgress?.({ stage: 'gradient alignment', done: before + imageNumbers.length, total });
  }
  return {
    count: dataset.count,
    imageAlignment: meanOverImages(found.alignment),
    imageCosine: meanOverImages(found.cosine),
    sparsity: meanOverImages(found.sparsity),
    ...(dataset.masks && {
      objectShare: meanOverImages(found.share),
      objectArea: meanOverImages(found.area),
      objectAuc: meanOverImages(found.auc),
    }),
  };
}

/** Cosine of map and image, as a measure of explanations. */
export interface ImageCosine {
  readonly name: 'image-cosine';
}

/** ⟨x, φ⟩ / (‖x‖₂ ‖φ‖₂) of image and map: whether the map points along the image, as gradients of robust networks do (Etmann et al. 2019). */
export const imageCosine = (): ImageCosine => ({ name: 'image-cosine' });

export const imageCosineKind: MeasureKind<ImageCosine> = {
  summary: 'whether the map points along the image (cosine)',
  score: async ({ images, attributions }) => {
    const isGrey = attributions.shape[1] === 1 && images.shape[1] !== 1;
    return imageAlignment(isGrey ? sumChannels(images) : images, attributions).cosine;
  },
  better: () => 'higher',
  over: 'mean',
  needs: [],
  acrossModels: () => true,
  control: () => 'image',
  protocol: () =>
    'cosine of pixel values and attributions; for maps without channels, of the sums of pixel values over channels (Etmann et al. 2019)',
};
