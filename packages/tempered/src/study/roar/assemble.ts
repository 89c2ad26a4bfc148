/** @file From accuracies of retrained networks to scores, series and correlations. */

import { MODES } from '../../evaluation/roar/bands.ts';
import { correlate } from '../../evaluation/roar/correlation.ts';
import { occlusionScore } from '../../evaluation/roar/scores.ts';
import {
  type OccludedAccuracy,
  type ProtocolResult,
  ROAR_AXES,
  ROAR_NORMS,
  type RoarModel,
  type RoarProtocol,
  type RoarScore,
  type RoarSeries,
} from '../../report/roar-result.ts';
import { estimateMeanOfFew } from '../../statistics.ts';
import type { RoarConfiguration } from './configuration.ts';
import { pointsOf, type Retraining, repetitionsOf } from './retraining.ts';

export interface Retrained {
  readonly retraining: Retraining;
  readonly accuracy: number;
}

/** What one protocol found. */
export function protocolResult(
  configuration: RoarConfiguration,
  name: RoarProtocol,
  { models, retrained, classes }: { models: readonly RoarModel[]; retrained: readonly Retrained[]; classes: number },
): ProtocolResult {
  const own = new Map<string, number[]>();
  for (const { retraining, accuracy } of retrained) {
    if (retraining.protocol !== name) continue;
    const key = JSON.stringify(retraining.point);
    const values = own.get(key) ?? [];
    values[retraining.repetition - 1] = accuracy;
    own.set(key, values);
  }
  const points = pointsOf(configuration, name).map((point) => ({
    point,
    values: own.get(JSON.stringify(point)) ?? [],
  }));
  const accuracies = points.flatMap(({ point, values }): OccludedAccuracy[] => {
    if (point.images !== 'occluded') return [];
    const { mode, method, model, percentile } = point;
    return [{ mode, method, model, percentile, values }];
  });
  const end = (images: 'whole' | 'empty') => points.find(({ point }) => point.images === images)?.values;
  const repetitions = repetitionsOf(configuration, name);
  const scores = scoresOf(configuration, name, { models, accuracies, repetitions });
  return {
    name,
    repetitions,
    unoccluded: end('whole') ?? [models[0]!.testAccuracy],
    chance: end('empty') ?? [1 / classes],
    accuracies,
    scores,
    series: seriesOf(configuration, name, models, scores),
  };
}

function scoresOf(
  { methods, percentiles }: RoarConfiguration,
  name: RoarProtocol,
  {
    models,
    accuracies,
    repetitions,
  }: { models: readonly RoarModel[]; accuracies: readonly OccludedAccuracy[]; repetitions: number },
): RoarScore[] {
  const curves = new Map<string, readonly number[]>();
  for (const { mode, method, model, percentile, values } of accuracies)
    curves.set([mode, method, model, percentile].join(), values);
  return MODES.flatMap((mode) =>
    methods.flatMap((method) =>
      models.map(({ name: model }): RoarScore => {
        const byRepetition = Array.from({ length: repetitions }, (_, i) => {
          const curve = (of: string, whose: string) =>
            percentiles.map((percentile) => curves.get([mode, of, whose, percentile].join())![i]!);
          const [attribution, random] = [curve(method, model), curve('random', 'standard')];
          return occlusionScore(mode, { percentiles, attribution, random });
        });
        const { mean, lower, upper, standardError } = estimateMeanOfFew(byRepetition);
        // Of two values nobody knows the spread, and equal ones are no proof of certainty.
        const hasBand = name === 'repaired' && repetitions > 2 && standardError > 0;
        return { mode, method, model, mean, byRepetition, ...(hasBand && { lower, upper }) };
      }),
    ),
  );
}

function seriesOf(
  { methods, losses, seed }: RoarConfiguration,
  name: RoarProtocol,
  models: readonly RoarModel[],
  scores: readonly RoarScore[],
): RoarSeries[] {
  return MODES.flatMap((mode) =>
    losses.flatMap((loss) =>
      ROAR_NORMS.flatMap((norm) => {
        const chosen = models.filter(
          (model) => model.norm === undefined || (model.norm === norm && model.loss === loss),
        );
        if (chosen.length < 2) return [];
        return methods.flatMap((method) => {
          const own = chosen.map(
            (model) =>
              scores.find((each) => each.mode === mode && each.method === method && each.model === model.name)!,
          );
          const y = own.map(({ mean }) => mean);
          const repetitions = own[0]!.byRepetition.map((_, i) => own.map(({ byRepetition }) => byRepetition[i]!));
          return ROAR_AXES.map((against): RoarSeries => {
            const x = chosen.map((model) => model[against]);
            // Repetitions of the published protocol have nothing in common that could be drawn together.
            const found = correlate(x, name === 'repaired' ? repetitions : [y], seed);
            return {
              ...{ mode, loss, norm, method, against, x, y },
              models: chosen.map((model) => model.name),
              pearson: orNull(found.pearson),
              spearman: orNull(found.spearman),
              ...(found.interval && { interval: found.interval }),
              slope: orNull(found.line.slope),
              intercept: orNull(found.line.intercept),
            };
          });
        });
      }),
    ),
  );
}

/** JSON has no other word for what is not defined. */
const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
