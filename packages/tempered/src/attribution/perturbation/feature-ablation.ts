/** @file Removing one feature at a time. */
import type { Explain } from '../explanation.ts';
import { explainByFeatures } from './by-features.ts';
import type { FeatureBaseline, Features } from './features.ts';

export interface FeatureAblation {
  readonly name: 'feature-ablation';
  readonly features?: Features;
  readonly baseline: FeatureBaseline;
}

/**
 * How much what is explained falls when one feature is replaced by the baseline: f(x) − f(x without it). Each value of
 * the input gets the number of its feature. Zeiler & Fergus 2014, with any features (captum's `FeatureAblation`).
 *
 * @example
 * await attribute(classifier, { images, method: featureAblation({ features: { superpixels: 30 } }) });
 */
export const featureAblation = ({
  features,
  baseline = 'black',
}: {
  /** Default: at most 50 superpixels of an image, the channels of a layer's feature map, single elements of anything else. */
  features?: Features;
  /** Default black (zeros). */
  baseline?: FeatureBaseline;
} = {}): FeatureAblation => ({ name: 'feature-ablation', ...(features !== undefined && { features }), baseline });

export const explainFeatureAblation: Explain<FeatureAblation> = (task, { name, features, baseline }) =>
  explainByFeatures(
    task,
    { name, features, superpixels: 50, baseline, complete: false },
    async ({ features: count, all, values }) => {
      const without = await values(count, (feature, kept) => (kept.fill(1)[feature] = 0));
      return { values: without.map((value) => all - value) };
    },
  );
