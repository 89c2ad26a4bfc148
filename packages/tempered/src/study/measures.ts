/** @file The numbers of a study: accuracies, and where attributions lie. */
import { pgd } from '../attacks/pgd.ts';
import { type AttributionMethod, attribute } from '../attribution/attribute.ts';
import type { Completeness } from '../attribution/explanation.ts';
import { plainGradient } from '../attribution/gradient.ts';
import { integratedGradients } from '../attribution/integrated-gradients.ts';
import { smoothGrad } from '../attribution/smoothgrad.ts';
import { type Dataset, first } from '../data/dataset.ts';
import { accuracyUnderAttack, allOf, naturalAccuracy, proportion } from '../evaluation/accuracy.ts';
import { localization } from '../evaluation/localization.ts';
import type { AttributionResult, ModelName, ModelResult } from '../report/study-result.ts';
import { estimateMean } from '../statistics.ts';
import type { StudyConfiguration } from './configuration.ts';
import type { StudyContext } from './context.ts';
import type { TrainedModel } from './models.ts';

/** The attribution methods of a study, in the order of its report. */
export function studyMethods({
  samples,
  sigma,
  pathSteps,
}: StudyConfiguration): { label: string; method: AttributionMethod }[] {
  return [
    { label: 'Gradient', method: plainGradient() },
    { label: 'SmoothGrad', method: smoothGrad({ samples, sigma }) },
    { label: 'Integrated gradients', method: integratedGradients({ steps: pathSteps }) },
  ];
}

/** The attack under which a study measures: PGD with a random start. */
export const studyAttack = ({ norm, evaluationSteps }: StudyConfiguration) => pgd({ norm, steps: evaluationSteps });

export type ModelMeasures = Omit<ModelResult, 'description' | 'parameterCount' | 'history'>;

export async function measureModel(
  context: StudyContext,
  name: ModelName,
  { classifier }: TrainedModel,
  sets: { test: Dataset; conflict?: Dataset },
): Promise<ModelMeasures> {
  const { run, configuration, signal, onProgress } = context;
  const { trainingEpsilon, epsilonFactors, attackedCount, seed } = configuration;
  const work = { signal, onProgress };
  const natural = await run.step(`natural-${name}`, () => naturalAccuracy(classifier, sets.test, work));
  const conflict =
    sets.conflict && (await run.step(`conflict-${name}`, () => naturalAccuracy(classifier, sets.conflict!, work)));
  const underAttack = await run.step(`attack-${name}`, () =>
    accuracyUnderAttack(classifier, {
      dataset: first(sets.test, attackedCount),
      attack: studyAttack(configuration),
      epsilons: epsilonFactors.map((factor) => factor * trainingEpsilon),
      seed,
      signal,
      onProgress: onProgress && ((progress) => onProgress({ ...progress, stage: `attack ${name}` })),
    }),
  );
  const explained = await run.step(`explain-${name}`, () => measureAttributions(context, name, classifier, sets.test));
  return { natural, conflict, underAttack, ...explained };
}

async function measureAttributions(
  { configuration, signal, onProgress }: StudyContext,
  name: ModelName,
  classifier: TrainedModel['classifier'],
  test: Dataset,
): Promise<Pick<ModelResult, 'attributions' | 'completenessError'>> {
  const sample = first(test, configuration.explainedCount);
  const { images, labels } = allOf(sample);
  const masks = sample.masks?.(Uint32Array.from(labels.keys()));
  const attributions: AttributionResult[] = [];
  let completenessError: ModelResult['completenessError'];
  for (const { label, method } of studyMethods(configuration)) {
    const result = await attribute(classifier, {
      images,
      method,
      target: labels,
      seed: configuration.seed,
      signal,
      onProgress: onProgress && ((progress) => onProgress({ ...progress, stage: `explain ${name}, ${label}` })),
    });
    const completeness = result.certificate?.completeness;
    if (completeness) {
      completenessError = completenessErrorOf(completeness, configuration.pathSteps);
    }
    if (!masks) {
      attributions.push({ method: label });
      continue;
    }
    const { relevanceMass, pointing } = localization(result.attributions, masks);
    const { correct: hits, ...share } = proportion(
      pointing.reduce((a, b) => a + b, 0),
      pointing.length,
    );
    attributions.push({
      method: label,
      // As in the pointing game, a map of zeros has found nothing.
      relevanceMass: estimateMean(relevanceMass.map((mass) => (Number.isNaN(mass) ? 0 : mass))),
      pointingGame: { hits, ...share },
    });
  }
  return { attributions, completenessError };
}

/** Sums, because a mean of quotients hangs on the few images whose output hardly differs from the baseline's. */
function completenessErrorOf(completeness: readonly Completeness[], steps: number): ModelResult['completenessError'] {
  const total = (of: (each: Completeness) => number) => completeness.reduce((sum, each) => sum + of(each), 0);
  const difference = total((each) => Math.abs(each.difference));
  return difference === 0 ? undefined : { relative: total(({ error }) => error) / difference, steps };
}

/** Mean share of the image that the object covers: the relevance mass of a map without knowledge. */
export function objectShare(test: Dataset, count: number): number | undefined {
  const sample = first(test, count);
  const masks = sample.masks?.(Uint32Array.from({ length: sample.count }, (_, i) => i));
  return masks && masks.data.reduce((a, b) => a + b, 0) / masks.data.length;
}
