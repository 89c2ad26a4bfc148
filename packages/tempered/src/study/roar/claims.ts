/** @file The claims of Kim et al. 2019 about ROAR, held against what was found. */
import { chanceCorrelation } from '../../evaluation/roar/correlation.ts';
import { list } from '../../report/format.ts';
import { correlation, score, seriesLabel } from '../../report/roar-format.ts';
import type { ProtocolResult, RoarAxis, RoarClaim, RoarLoss, RoarSeries } from '../../report/roar-result.ts';

/** One thing a claim says. */
interface Part {
  readonly holds: boolean;
  readonly found: string;
}

/** R000-c and R000-d for one protocol and loss, whichever way they fall. */
export function claimsOf(result: ProtocolResult, loss: RoarLoss): RoarClaim[] {
  const rising = measuredAgainst(result, loss, 'strength');
  const tradeOff = measuredAgainst(result, loss, 'testAccuracy');
  return [
    stated(
      result,
      loss,
      'R000-c',
      'The ROAR score rises with the strength of adversarial training (Pearson above 0.9 in every series), and is higher for Grad*Input than for Saliency.',
      [
        ...rising.map((series) => ({ holds: (series.pearson ?? 0) > 0.9, found: inWords(series) })),
        ...methodOrder(result, rising),
      ],
    ),
    stated(
      result,
      loss,
      'R000-d',
      'The ROAR score falls as test accuracy rises (Pearson below −0.9 in every series): a trade-off.',
      tradeOff.map((series) => ({ holds: (series.pearson ?? 0) < -0.9, found: inWords(series) })),
    ),
  ];
}

/** Those that have a correlation. */
const measuredAgainst = ({ series }: ProtocolResult, loss: RoarLoss, against: RoarAxis): RoarSeries[] =>
  series.filter(
    (each) => each.mode === 'roar' && each.loss === loss && each.against === against && each.pearson !== null,
  );

function stated(
  { name }: ProtocolResult,
  loss: RoarLoss,
  id: string,
  claim: string,
  parts: readonly Part[],
): RoarClaim {
  const about = { id, claim, protocol: name, loss };
  if (parts.length === 0)
    return { ...about, outcome: 'not measured', found: 'no series of 3 models or more whose scores differ' };
  const held = parts.filter(({ holds }) => holds).length;
  const outcome = held === parts.length ? 'holds' : held === 0 ? 'does not hold' : 'holds in part';
  return {
    ...about,
    outcome,
    found: `${held} of ${parts.length} parts: ${parts.map(({ found }) => found).join('; ')}`,
  };
}

function inWords(series: RoarSeries): string {
  const { pearson, spearman, interval, models } = series;
  const band = interval ? ` [${correlation(interval.lower)}, ${correlation(interval.upper)}]` : '';
  const values = `${seriesLabel(series)} r = ${correlation(pearson)}${band}, ρ = ${correlation(spearman)}`;
  const isChance = Math.abs(pearson ?? 0) <= chanceCorrelation(models.length);
  return `${values.replaceAll(' ', '\u00a0')}${isChance ? ` (within chance for ${models.length} models)` : ''}`;
}

/** Whether Grad*Input scores above Saliency, over all models of the series. */
function methodOrder({ scores }: ProtocolResult, series: readonly RoarSeries[]): Part[] {
  const models = [...new Set(series.flatMap((each) => each.models))];
  const of = (method: RoarSeries['method']) =>
    models.flatMap(
      (model) =>
        scores.find((each) => each.mode === 'roar' && each.method === method && each.model === model)?.mean ?? [],
    );
  const [saliency, product] = [of('saliency'), of('gradient-times-input')];
  if (saliency.length === 0 || product.length === 0) return [];
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const above = product.filter((score, i) => score > saliency[i]!).length;
  const means = list([`${score(mean(product))} for Grad*Input`, `${score(mean(saliency))} for Saliency`]);
  return [
    {
      holds: mean(product) > mean(saliency),
      found: `mean score ${means}, Grad*Input above Saliency for ${above} of ${models.length} models`,
    },
  ];
}
