/** @file Measures of explanations for the terminal, in 80 columns. */
import { measured } from '../report/format.ts';
import { isFit, type MeasuredScore, type ScoredMeasure, type ScoreResult, scoreOf } from '../report/score-result.ts';
import { scoreFindings } from '../report/score-summary.ts';
import { fill } from './help.ts';
import { textTable } from './output.ts';

const WIDTH = 80;

/** A table methods × models for each measure, and the findings. */
export function scoreLines(result: ScoreResult): string[] {
  return [
    ...result.measures.flatMap((measure) => {
      const verdict = {
        ...{ true: 'control passed', false: 'UNFIT by its control' },
        ...{ null: 'control without result', undefined: 'no control' },
      }[String(isFit(measure)) as 'true' | 'false' | 'null' | 'undefined'];
      const heading = filled(`${measure.name}, ${measure.better} is better (${verdict})`);
      return [...heading, ...tableOf(result, measure), ''];
    }),
    ...scoreFindings(result).flatMap(({ topic, text }) => filled(`${topic}: ${text}`)),
  ];
}

/** Lists of settings may break after a comma. */
const filled = (text: string): string[] => fill(text.replaceAll(/,(?=\S)/g, ',\u200b'), WIDTH, '  ').split('\n');

const fits = (lines: readonly string[]): boolean => lines.every((line) => [...line].length <= WIDTH);

/** Models beside each other; where there is no room, below each other; and where names are long, numbers below the names. */
function tableOf({ models, methods, rows }: ScoreResult, measure: ScoredMeasure): string[] {
  const cellsOf = (model: string, method: string) =>
    cells(scoreOf(rows.find((row) => row.model === model && row.method === method)!, measure));
  const beside = textTable(
    ['method', ...models.flatMap(({ name }) => [name, '95% interval'])],
    methods.map(({ name: method }) => [method, ...models.flatMap(({ name }) => cellsOf(name, method))]),
  );
  if (fits(beside)) return beside;
  return models.flatMap(({ name }) => {
    const own = methods.map(({ name: method }) => [method, ...cellsOf(name, method)]);
    const below = textTable(['method', 'score', '95% interval'], own);
    const lines = fits(below)
      ? below
      : own.flatMap(([method = '', ...numbers]) => [...filled(method), `    ${numbers.join('  ')}`]);
    return [...filled(`on ${name}`), ...lines];
  });
}

function cells(score: MeasuredScore | undefined): string[] {
  if (!score || score.value === null) return ['-', '-'];
  const { value, lower, upper } = score;
  return [
    measured(value),
    lower === undefined || upper === undefined ? '-' : `[${measured(lower)}, ${measured(upper)}]`,
  ];
}
