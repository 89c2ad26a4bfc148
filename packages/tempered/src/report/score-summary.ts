/** @file What measures of explanations found, in sentences that follow from the numbers, whichever way they fall. */
import type { Lead } from '../evaluation/explanations/lead.ts';
import { list } from './format.ts';
import { isFit, type MeasuredScore, type ScoredMeasure, type ScoreResult, scoreOf } from './score-result.ts';
import type { Finding } from './summary.ts';

/** One finding a question; models differ when intervals are apart, and only by measures that passed their control. */
export function scoreFindings(result: ScoreResult): Finding[] {
  return [...controls(result), ...comparisons(result), ...againstRandom(result)];
}

function controls({ measures }: ScoreResult): Finding[] {
  const named = (wanted: boolean | null | undefined) =>
    measures.filter((each) => isFit(each) === wanted).map(({ name }) => name);
  const [fit, unfit, open, none] = [named(true), named(false), named(null), named(undefined)];
  const tested = measures.length - none.length;
  const sentences = [
    `${fit.length} of ${tested} measures tell planted true maps from random ones, and those from wrong ones.`,
    unfit.length > 0 &&
      `Do not go by ${list(unfit)}: with these settings ${unfit.length > 1 ? 'they do' : 'it does'} not.`,
    open.length > 0 && `Not known of ${list(open)}: more pictures may tell.`,
  ];
  return [
    ...(tested > 0 ? [{ topic: 'Controls', text: sentences.filter(Boolean).join(' ') }] : []),
    ...(none.length > 0 ? [{ topic: 'Controls', text: `Not put to the test: ${list(none)}.` }] : []),
  ];
}

/** −1, 0, 1: whether the first is worse, not to be told apart, or better. */
function compare(a: MeasuredScore | undefined, b: MeasuredScore | undefined, { better }: ScoredMeasure): number {
  if (a?.lower === undefined || b?.lower === undefined || a.upper === undefined || b.upper === undefined) return 0;
  const difference = a.lower > b.upper ? 1 : a.upper < b.lower ? -1 : 0;
  return better === 'higher' ? difference : -difference;
}

/** Two models: which has the better maps, method by method, by measures that do not hang on how sure a model is. */
function comparisons({ models, methods, measures, rows }: ScoreResult): Finding[] {
  const [first, second, ...more] = models;
  if (!first || !second || more.length > 0) return [];
  const row = (model: string, method: string) => rows.find((each) => each.model === model && each.method === method)!;
  return measures
    .filter((measure) => measure.acrossModels && isFit(measure) === true)
    .flatMap((measure) => {
      const verdicts = methods.filter(isExplanation).map(({ name }) => ({
        name,
        verdict: compare(scoreOf(row(first.name, name), measure), scoreOf(row(second.name, name), measure), measure),
      }));
      const won = (verdict: number) => verdicts.filter((each) => each.verdict === verdict).map(({ name }) => name);
      const sentences = [
        { winner: first, loser: second, by: won(1) },
        { winner: second, loser: first, by: won(-1) },
      ].filter(({ by }) => by.length > 0);
      if (sentences.length === 0) return [];
      return [
        {
          topic: measure.name,
          text: `${sentences.map(({ winner, loser, by }) => `${winner.name} scores better than ${loser.name} by ${list(by)}`).join('; ')}.`,
        },
      ];
    });
}

/** Random maps and edges do not look at the model. */
const isExplanation = ({ name }: { readonly name: string }): boolean => !['random', 'edges'].includes(name);

/** Methods that are no better than random maps, image by image, where those were asked for. */
function againstRandom({ models, measures, rows }: ScoreResult): Finding[] {
  return models.flatMap(({ name: model }) => {
    const own = rows.filter((row) => row.model === model && isExplanation({ name: row.method }));
    const named = (wanted: readonly Lead['told'][]) =>
      measures
        .filter((measure) => measure.ofTruth && isFit(measure) === true)
        .flatMap((measure) => {
          const found = own.filter((row) => {
            const lead = scoreOf(row, measure)?.overRandom;
            return lead !== undefined && wanted.includes(lead.told);
          });
          return found.length > 0 ? [`${measure.name} (${list(found.map(({ method }) => method))})`] : [];
        })
        .join('; ');
    const [open, worse] = [named(['unknown', 'same']), named(['worse'])];
    const sentences = [
      open && `On ${model} these are no better than random maps that can be told, image by image: ${open}.`,
      worse && `On ${model} these are worse than random maps: ${worse}.`,
    ].filter((sentence) => sentence !== '');
    return sentences.length > 0 ? [{ topic: 'Random maps', text: sentences.join(' ') }] : [];
  });
}
