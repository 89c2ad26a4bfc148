/** @file The pictures of a study: written to the run's images, and returned as data URIs for the report. */

import { perturb } from '../attacks/attack.ts';
import { pgd } from '../attacks/pgd.ts';
import { attribute } from '../attribution/attribute.ts';
import { type Dataset, first } from '../data/dataset.ts';
import { allOf } from '../evaluation/accuracy.ts';
import { upscale } from '../image/bitmap.ts';
import { maskOutline } from '../image/mask-outline.ts';
import { encodeAnimation } from '../image/node/encode.ts';
import { renderAttribution, renderImage, renderPerturbation } from '../image/render.ts';
import type { Classifier } from '../models/classifier.ts';
import { argmaxRows, likeliest, predictLogits } from '../models/predict.ts';
import { dataUri } from '../report/data-uri.ts';
import { savePicture } from '../report/save-picture.ts';
import type {
  ExampleResult,
  LargeEpsilonResult,
  ModelExample,
  ModelName,
  Picture,
  Prediction,
  TraversalResult,
} from '../report/study-result.ts';
import { traverse } from '../synthesis/traversal.ts';
import type { Tensor } from '../tensor.ts';
import type { StudyContext } from './context.ts';
import { studyAttack, studyMethods } from './measures.ts';

export type Classifiers = Readonly<Record<ModelName, Classifier>>;

/** Perturbations are enlarged by this factor around grey. */
export const AMPLIFY = 10;
const STILLS = 8;

/** The test images to show: the first of each class in turn that both models classify right. */
export async function chooseExamples(
  context: StudyContext,
  classifiers: Classifiers,
  test: Dataset,
): Promise<number[]> {
  const { images, labels } = allOf(first(test, 1000));
  const right = await Promise.all(
    Object.values(classifiers).map(async (classifier) => argmaxRows(await predictLogits(classifier, images, context))),
  );
  const chosen: number[] = [];
  const seen = new Set<number>();
  for (const [i, label] of labels.entries()) {
    if (chosen.length === context.configuration.exampleCount) break;
    if (seen.has(label) || right.some((predictions) => predictions[i] !== label)) continue;
    seen.add(label);
    chosen.push(i);
  }
  return chosen;
}

export async function makeExamples(
  context: StudyContext,
  classifiers: Classifiers,
  test: Dataset,
  chosen: readonly number[],
): Promise<ExampleResult[]> {
  const { images, labels } = test.batch(chosen);
  const masks = test.masks?.(chosen);
  const perModel = {
    standard: await examplesOf(context, 'standard', classifiers.standard, { images, labels, chosen }),
    robust: await examplesOf(context, 'robust', classifiers.robust, { images, labels, chosen }),
  };
  const examples: ExampleResult[] = [];
  for (const [index, label] of labels.entries()) {
    examples.push({
      label: test.classes[label]!,
      picture: await savePicture(context.run, `example-${index + 1}`, renderImage(images, { index })),
      outline: masks && maskOutline(masks, { index }),
      models: { standard: perModel.standard[index]!, robust: perModel.robust[index]! },
    });
  }
  return examples;
}

async function examplesOf(
  context: StudyContext,
  name: ModelName,
  classifier: Classifier,
  { images, labels, chosen }: { images: Tensor; labels: Int32Array; chosen: readonly number[] },
): Promise<ModelExample[]> {
  const { configuration, signal } = context;
  const { trainingEpsilon: epsilon, seed } = configuration;
  // By these numbers the pictures are of the very examples, and maps, that are counted in the tables.
  const numbered = { images, seed, imageNumbers: chosen, signal };
  const { adversarial } = await perturb(classifier, studyAttack(configuration), { ...numbered, labels, epsilon });
  const predictions = await likeliest(classifier, images);
  const attacked = await likeliest(classifier, adversarial);
  const maps: { method: string; attributions: Tensor }[] = [];
  for (const { label, method } of studyMethods(configuration)) {
    const { attributions } = await attribute(classifier, { ...numbered, method, target: labels });
    maps.push({ method: label, attributions });
  }
  const examples: ModelExample[] = [];
  for (const index of labels.keys()) {
    const file = (what: string) => `example-${index + 1}-${name}-${what}`;
    const attributions: ModelExample['attributions'][number][] = [];
    for (const { method, attributions: map } of maps) {
      const { bitmap, clip, positiveShare } = renderAttribution(map, { index });
      const picture = await savePicture(context.run, file(method.toLowerCase().replaceAll(' ', '-')), bitmap);
      attributions.push({
        method,
        picture,
        clip,
        positiveShare: Number.isNaN(positiveShare) ? undefined : positiveShare,
      });
    }
    examples.push({
      prediction: predictions[index]!,
      adversarial: {
        picture: await savePicture(context.run, file('adversarial'), renderImage(adversarial, { index })),
        prediction: attacked[index]!,
      },
      perturbation: await savePicture(
        context.run,
        file('perturbation'),
        renderPerturbation(images, adversarial, { index, amplify: AMPLIFY }),
      ),
      attributions,
    });
  }
  return examples;
}

/** One targeted attack with an ε so large that a robust model's image turns into the target class. */
export async function makeLargeEpsilon(
  context: StudyContext,
  classifiers: Classifiers,
  test: Dataset,
  chosen: readonly number[],
): Promise<LargeEpsilonResult> {
  const { configuration, signal } = context;
  const { largeEpsilon: epsilon, largeSteps: steps, seed } = configuration;
  const { images, labels } = test.batch(chosen);
  const targets = Int32Array.from(labels, (label) => nextClass(test, label));
  const attack = pgd({ norm: 'l2', steps, randomStart: false });
  const results = {} as Record<ModelName, { adversarial: Tensor; predictions: Prediction[] }>;
  for (const name of ['standard', 'robust'] as const) {
    const classifier = classifiers[name];
    const { adversarial } = await perturb(classifier, attack, { images, labels, targets, epsilon, seed, signal });
    results[name] = { adversarial, predictions: await likeliest(classifier, adversarial) };
  }
  const examples: LargeEpsilonResult['examples'][number][] = [];
  for (const [index, label] of labels.entries()) {
    const of = async (name: ModelName) => ({
      picture: await savePicture(
        context.run,
        `large-${index + 1}-${name}`,
        renderImage(results[name].adversarial, { index }),
      ),
      prediction: results[name].predictions[index]!,
    });
    examples.push({
      label: test.classes[label]!,
      target: test.classes[targets[index]!]!,
      picture: await savePicture(context.run, `large-${index + 1}`, renderImage(images, { index })),
      models: { standard: await of('standard'), robust: await of('robust') },
    });
  }
  return { norm: 'l2', epsilon, steps, examples };
}

/** One image walked toward another class on both models, as an animation, stills and a history. */
export async function makeTraversal(
  context: StudyContext,
  classifiers: Classifiers,
  test: Dataset,
  chosen: number,
): Promise<TraversalResult> {
  const { run, configuration, signal } = context;
  const { traversalSteps: steps, traversalStepSize: stepSize } = configuration;
  const { images: image, labels } = test.batch([chosen]);
  const target = nextClass(test, labels[0]!);
  const models = {} as Record<ModelName, TraversalResult['models'][ModelName]>;
  for (const name of ['standard', 'robust'] as const) {
    const { frames, history } = await traverse(classifiers[name], { image, target, steps, stepSize, every: 2, signal });
    const bitmaps = history.map((_, index) => upscale(renderImage(frames, { index }), 4));
    const animation = await encodeAnimation(bitmaps, {
      delay: bitmaps.map((_, i) => (i === bitmaps.length - 1 ? 1500 : 60)),
    });
    await run.write(`images/traversal-${name}.webp`, animation);
    const stills: { step: number; picture: Picture }[] = [];
    for (let i = 0; i < STILLS; i++) {
      const index = Math.round((i * (history.length - 1)) / (STILLS - 1));
      const still = renderImage(frames, { index });
      stills.push({
        step: history[index]!.step,
        picture: await savePicture(context.run, `traversal-${name}-${i + 1}`, still),
      });
    }
    models[name] = { animation: dataUri(animation, 'image/webp'), frames: stills, history };
  }
  return { label: test.classes[labels[0]!]!, target: test.classes[target]!, steps, models };
}

/** The class a targeted picture is driven to: the one after the image's own. */
const nextClass = (test: Dataset, label: number): number => (label + 1) % test.classes.length;
