/** @file The pictures of an audit: written to the run's images, and returned as data URIs for the report. */
import { type Attack, perturb } from '../attacks/attack.ts';
import { type AttributionMethod, attribute } from '../attribution/attribute.ts';
import { plainGradient } from '../attribution/gradient.ts';
import { integratedGradients } from '../attribution/integrated-gradients.ts';
import { smoothGrad } from '../attribution/smoothgrad.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Judged } from '../evaluation/ledger.ts';
import type { Bitmap } from '../image/bitmap.ts';
import { renderAttribution, renderImage, renderPerturbation } from '../image/render.ts';
import type { Classifier } from '../models/classifier.ts';
import { likeliest } from '../models/predict.ts';
import type { Work } from '../progress.ts';
import type { AuditExample, AuditView } from '../report/audit-result.ts';
import { savePicture } from '../report/save-picture.ts';
import type { Run } from '../runs/run.ts';
import type { Tensor } from '../tensor.ts';

/** Perturbations are enlarged by this factor around grey. */
export const AMPLIFY = 10;

/** The maps that are drawn, under the headings of their columns. */
export const METHODS: Readonly<Record<string, AttributionMethod>> = {
  Gradient: plainGradient(),
  SmoothGrad: smoothGrad({ samples: 25, sigma: 0.15 }),
  'Integrated gradients': integratedGradients({ steps: 50 }),
};

/** The first image of each class in turn that is classified right, `most` at the most. */
export function chooseExamples(labels: readonly number[], { rank }: Judged, most: number): number[] {
  const seen = new Set<number>();
  return labels
    .flatMap((label, i) => {
      if (rank[i] !== 0 || seen.has(label)) return [];
      seen.add(label);
      return [i];
    })
    .slice(0, most);
}

export interface ExampleOptions extends Work {
  run: Run;
  dataset: Dataset;
  attack: Attack;
  epsilon: number;
  seed: number;
  /** Numbers of the images in the data set. */
  chosen: readonly number[];
}

export async function makeExamples(classifier: Classifier, options: ExampleOptions): Promise<AuditExample[]> {
  const { run, dataset, attack, epsilon, seed, chosen, signal } = options;
  const { images, labels } = dataset.batch(chosen);
  const numbered = { seed, imageNumbers: chosen, signal };
  const { adversarial } = await perturb(classifier, attack, { ...numbered, images, labels, epsilon });
  const views = {
    natural: await viewsOf(classifier, { ...numbered, run, labels, images, natural: images, name: 'natural' }),
    attacked: await viewsOf(classifier, {
      ...numbered,
      run,
      labels,
      images: adversarial,
      natural: images,
      name: 'attacked',
    }),
  };
  return Array.from(labels, (label, i) => ({
    label: classifier.classes[label]!,
    natural: views.natural[i]!,
    attacked: views.attacked[i]!,
  }));
}

interface ViewOptions {
  run: Run;
  images: Tensor;
  natural: Tensor;
  labels: Int32Array;
  seed: number;
  imageNumbers: readonly number[];
  signal: AbortSignal | undefined;
  /** Part of the names of the files. */
  name: string;
}

async function viewsOf(classifier: Classifier, options: ViewOptions): Promise<AuditView[]> {
  const { run, images, natural, labels, name, seed, imageNumbers, signal } = options;
  const predictions = await likeliest(classifier, images, { signal });
  const maps: { method: string; attributions: Tensor }[] = [];
  for (const [label, method] of Object.entries(METHODS)) {
    const work = { images, method, target: labels, seed, imageNumbers, signal };
    maps.push({ method: label, attributions: (await attribute(classifier, work)).attributions });
  }
  const views: AuditView[] = [];
  for (const index of labels.keys()) {
    const save = (what: string, bitmap: Bitmap) => savePicture(run, `example-${index + 1}-${name}-${what}`, bitmap);
    const attributions: AuditView['attributions'][number][] = [];
    for (const { method, attributions: map } of maps) {
      const { bitmap, clip, positiveShare } = renderAttribution(map, { index });
      const picture = await save(method.toLowerCase().replaceAll(' ', '-'), bitmap);
      attributions.push({
        method,
        picture,
        clip,
        positiveShare: Number.isNaN(positiveShare) ? undefined : positiveShare,
      });
    }
    views.push({
      picture: await save('image', renderImage(images, { index })),
      prediction: predictions[index]!,
      perturbation: await save('change', renderPerturbation(natural, images, { index, amplify: AMPLIFY })),
      attributions,
    });
  }
  return views;
}
