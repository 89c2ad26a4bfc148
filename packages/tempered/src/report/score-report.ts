/** @file Node only. Measures of explanations as one HTML file. */
import type { Control } from '../evaluation/explanations/control.ts';
import type { Estimate } from '../evaluation/explanations/estimate.ts';
import { createNumbering, figureOf, type Numbering, plotPair } from './figure.ts';
import { count, measured, percent, percentInterval } from './format.ts';
import { type Html, html } from './html.ts';
import { createDocument } from './node-document.ts';
import { renderPage } from './page.ts';
import { scoreKey, scorePlot } from './score-plot.ts';
import { type ScoredMeasure, type ScoreResult, type ScoreRow, scoreOf } from './score-result.ts';
import { scoreFindings } from './score-summary.ts';
import { factList } from './sections/protocol.ts';
import { dataTable } from './table.ts';

/**
 * The report of measures of explanations: one self-contained HTML file that opens offline, needs no scripts, and follows
 * the reader's light or dark theme.
 *
 * @example await run.write('report.html', renderScoreReport(result))
 */
export function renderScoreReport(result: ScoreResult): string {
  const numbering = createNumbering();
  const document = createDocument();
  const body = html`${opening(result)}
${overview(result, numbering)}
${result.measures.map((measure) => measureSection(result, measure, numbering, document))}
${modelSection(result, numbering)}
${methodSection(result, numbering)}
${protocolSection(result)}`;
  return renderPage({ title: titleOf(result), body });
}

const titleOf = ({ models }: ScoreResult): string =>
  models.length === 1
    ? `Explanations of ${models[0]!.name}, measured`
    : `Explanations of ${models.length} models, measured`;

function opening(result: ScoreResult): Html {
  const { dataset, methods, measures } = result;
  return html`<header>
<div class="kicker">Tempered score · ${dataset.name}, ${dataset.split} · ${count(dataset.count)} images</div>
<h1>${titleOf(result)}</h1>
<p class="lead">${count(methods.length)} ${methods.length === 1 ? 'method' : 'methods'} explained the same ${count(dataset.count)} images of ${dataset.name}, and
${count(measures.length)} ${measures.length === 1 ? 'measure' : 'measures'} marked the maps.${
    measures.every(({ control }) => control)
      ? ' Each measure was put to the test itself, on maps whose quality is known.'
      : ' The measures themselves were not put to the test.'
  }</p>
</header>
<ul class="findings">${scoreFindings(result).map(({ topic, text }) => html`<li><span class="label">${topic}</span>${text}</li>\n`)}</ul>`;
}

const value = ({ value }: Estimate): string => (value === null ? '–' : measured(value));

const interval = ({ lower, upper }: Estimate): string =>
  lower === undefined || upper === undefined ? '' : `[${measured(lower)},\u00a0${measured(upper)}]`;

const arrow = ({ better }: ScoredMeasure): string => (better === 'higher' ? '↑' : '↓');

const unfitMark = ({ control }: ScoredMeasure): Html | false =>
  control?.fit === false ? html` <b class="wrong">unfit</b>` : control?.fit === null && html` <i>not known</i>`;

/** Rows of a model in the order of the methods. */
const rowsOf = ({ rows, methods }: ScoreResult, model: string): ScoreRow[] =>
  methods.map(({ name }) => rows.find((row) => row.model === model && row.method === name)!);

function overview(result: ScoreResult, numbering: Numbering): Html {
  const { models, measures } = result;
  return html`<h2>All scores</h2>
<p>Arrows tell which way is better.${
    measures.some(({ control }) => control) &&
    html` Measures marked <b class="wrong">unfit</b> failed their control: their numbers are shown, but say little about the maps. Of those marked
<i>not known</i> the control could not tell.`
  } How each was measured, and its intervals, stand further down.</p>
${models.map(({ name: model }) => overviewTables(result, model, numbering))}`;
}

/** The fewer of methods and measures are columns; in several tables where they are still many. */
function overviewTables({ methods, measures, rows }: ScoreResult, model: string, numbering: Numbering): Html[] {
  const cell = (measure: ScoredMeasure, method: string) => {
    const score = scoreOf(rows.find((row) => row.model === model && row.method === method)!, measure);
    return score ? value(score) : '–';
  };
  const named = (measure: ScoredMeasure) => html`${measure.name}\u00a0${arrow(measure)}${unfitMark(measure)}`;
  const tables =
    methods.length > measures.length
      ? inGroups(measures, methods).map((some) => ({
          columns: ['method', ...some.map(named)],
          rows: methods.map(({ name }) => [name, ...some.map((measure) => cell(measure, name))]),
        }))
      : inGroups(methods, measures).map((some) => ({
          columns: ['measure', ...some.map(({ name }) => name)],
          rows: measures.map((measure) => [named(measure), ...some.map(({ name }) => cell(measure, name))]),
        }));
  return tables.map((table, k) =>
    dataTable({
      number: numbering.table(),
      isWide: true,
      caption: html`${model}${k > 0 && ', continued'}.`,
      columns: table.columns.map((heading, i) => (i === 0 ? { heading, kind: 'text' } : { heading })),
      rows: table.rows,
    }),
  );
}

/** In pixels: of a wide table, of a character, and between columns. */
const [TABLE, CHARACTER, GAP] = [1000, 8, 32];

/** As few groups of columns as there is room for beside the names of the rows, of about the same size. */
function inGroups<T extends { readonly name: string }>(
  columns: readonly T[],
  rows: readonly { name: string }[],
): T[][] {
  const longest = (named: readonly { name: string }[]) => Math.max(6, ...named.map(({ name }) => name.length));
  const room = (TABLE - CHARACTER * longest(rows)) / (GAP + CHARACTER * longest(columns));
  const groups = Math.ceil(columns.length / Math.max(1, Math.floor(room)));
  const size = Math.ceil(columns.length / groups);
  return Array.from({ length: Math.ceil(columns.length / size) }, (_, k) => columns.slice(k * size, (k + 1) * size));
}

function measureSection(result: ScoreResult, measure: ScoredMeasure, numbering: Numbering, document: Document): Html {
  const { models, methods } = result;
  const points = models.flatMap(({ name }, model) =>
    rowsOf(result, name).flatMap((row) => {
      const score = scoreOf(row, measure);
      if (!score || score.value === null) return [];
      return [{ method: row.method, model, value: score.value, lower: score.lower, upper: score.upper }];
    }),
  );
  const shown = methods.map(({ name }) => name).filter((name) => points.some((point) => point.method === name));
  const title = `${measure.name}, ${measure.better} is better`;
  return html`<h2>${measure.name}${unfitMark(measure)}</h2>
<p>${capital(measure.summary)}; ${measure.better} is better. Measured: ${measure.protocol}.${
    models.length > 1 &&
    !measure.acrossModels &&
    ' Compare methods on one model by it, not models: it hangs on how sure a model is of its classes.'
  }</p>
${measure.control && controlOf(measure.control, numbering)}
${
  points.length > 0
    ? html`${figureOf({
        number: numbering.figure(),
        content: html`${models.length > 1 && scoreKey(models.map(({ name }) => name))}${plotPair(
          (space) => scorePlot({ ...space, title, methods: shown, models: models.length, points }),
          document,
        )}`,
        caption: html`${capital(IN_WORDS[measure.over])} over images, with 95% intervals (${
          measure.over === 'share' ? 'Clopper–Pearson' : 'bootstrap over images'
        }).`,
      })}
${scoreTable(result, measure, shown, numbering.table())}`
    : html`<p>None of the methods has this measure.</p>`
}`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const IN_WORDS: Readonly<Record<ScoredMeasure['over'], string>> = { mean: 'mean', median: 'median', share: 'share' };

function controlOf({ fit, verdict, maps, leads, count: pictures }: Control, numbering: Numbering): Html {
  const outcome = fit === null ? 'The control has no result' : fit ? 'The control passed' : 'The control failed';
  return html`<p><b${fit === false && html` class="wrong"`}>${outcome}</b>, ${verdict.replace(/^\w+: /, '')}.</p>
${dataTable({
  number: numbering.table(),
  caption: html`The control: maps that should score from best to worst, on ${count(pictures)} pictures of shapes. A lead is how much better a map is
than the next, image by image; it must be above 0.`,
  columns: [
    { heading: 'planted map', kind: 'text' },
    { heading: 'score' },
    { heading: 'interval', kind: 'interval' },
    { heading: 'lead' },
    { heading: 'interval', kind: 'interval' },
  ],
  rows: maps.map(({ name, score }, k) => {
    const lead = leads[k];
    return [
      name,
      value(score),
      interval(score),
      lead ? measured(lead.mean) : '',
      lead ? interval(asEstimate(lead)) : '',
    ];
  }),
})}`;
}

const asEstimate = ({ mean, lower, upper }: NonNullable<Control['leads'][number]>): Estimate => ({
  value: mean,
  lower,
  upper,
  count: 0,
  undefinedCount: 0,
});

function scoreTable(result: ScoreResult, measure: ScoredMeasure, methods: readonly string[], number: number): Html {
  const { models, dataset } = result;
  const lost = result.rows.flatMap((row) => {
    const score = scoreOf(row, measure);
    return score && score.undefinedCount > 0
      ? [`${row.method} on ${row.model}: ${score.undefinedCount} of ${dataset.count}`]
      : [];
  });
  return dataTable({
    number,
    isWide: models.length > 2,
    caption: html`${measure.name}, ${measure.better} is better.${
      lost.length > 0 && ` Images without it, such as those whose map is zero: ${lost.join('; ')}.`
    }`,
    columns: [
      { heading: 'method', kind: 'text' },
      ...models.flatMap(({ name }) => [{ heading: name }, { heading: 'interval', kind: 'interval' as const }]),
    ],
    rows: methods.map((method) => [
      method,
      ...models.flatMap(({ name }) => {
        const score = scoreOf(result.rows.find((row) => row.model === name && row.method === method)!, measure);
        return score ? [value(score), interval(score)] : ['–', ''];
      }),
    ]),
  });
}

function modelSection({ models, dataset }: ScoreResult, numbering: Numbering): Html {
  return html`<h2>The models</h2>
${dataTable({
  number: numbering.table(),
  caption: html`Accuracy on the ${count(dataset.count)} images that were explained.`,
  columns: [
    { heading: 'model', kind: 'text' },
    { heading: 'accuracy' },
    { heading: 'interval', kind: 'interval' },
    { heading: 'file', kind: 'text' },
  ],
  rows: models.map(({ name, accuracy, file }) => [name, percent(accuracy.accuracy), percentInterval(accuracy), file]),
})}`;
}

function methodSection(result: ScoreResult, numbering: Numbering): Html {
  const { methods, models, dataset } = result;
  return html`<h2>The methods</h2>
<p>Measures that rank pixels go by the sum of a pixel’s attributions over its channels where a method shares out the output, and by the sum of their
magnitudes where it gives slopes, whose signs only tell in which direction a pixel matters. Localisation and concentration always go by magnitudes.</p>
${dataTable({
  number: numbering.table(),
  isWide: true,
  caption: html`Settings, and what the maps cost on ${models[0]!.name}, an image each.`,
  columns: [
    { heading: 'method', kind: 'text' },
    { heading: 'settings', kind: 'text' },
    { heading: 'pixels ranked by', kind: 'text' },
    { heading: 'forward passes' },
    { heading: 'backward passes' },
    { heading: 'seconds' },
  ],
  rows: rowsOf(result, models[0]!.name).map(({ method, forwards, backwards, seconds }, i) => [
    method,
    methods[i]!.settings,
    methods[i]!.ranking === 'signed' ? 'sum' : 'sum of magnitudes',
    measured(forwards / dataset.count),
    measured(backwards / dataset.count),
    measured(seconds / dataset.count),
  ]),
})}`;
}

const protocolSection = ({ protocol, versions }: ScoreResult): Html => html`<h2>Protocol and versions</h2>
<p>Everything needed to run this again. The same settings and seed on the same device give the same numbers.</p>
${factList([...protocol, ...Object.entries(versions).map(([name, value]) => ({ name, value }))])}
<footer>Written by Tempered. Every number in this page is also in the run folder: settings and hashes in manifest.json, the figures in score.json and tables/scores.csv, those of each image in tables/images.csv.</footer>`;
