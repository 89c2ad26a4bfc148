/** @file Node only. A study of ROAR and KAR as one HTML file, and its figures as files of their own. */
import { MODES, type Mode } from '../evaluation/roar/bands.ts';
import { chanceCorrelation } from '../evaluation/roar/correlation.ts';
import { createNumbering, figureOf, type Numbering, plotPair } from './figure.ts';
import { count, counted, epsilon, percent } from './format.ts';
import { type Html, html } from './html.ts';
import { imageGrid } from './image-grid.ts';
import { createDocument } from './node-document.ts';
import { renderPage } from './page.ts';
import {
  correlation,
  LOSS_LABELS,
  METHOD_LABELS,
  modelLabel,
  PROTOCOL_LABELS,
  score,
  seriesLabel,
} from './roar-format.ts';
import { type AccuracyCurve, accuracyCurves, figureFile, scorePlot } from './roar-plot.ts';
import { PUBLISHED_LIMITS, publishedCorrelation } from './roar-published.ts';
import {
  type OccludedAccuracy,
  type ProtocolResult,
  ROAR_AXES,
  ROAR_LOSSES,
  ROAR_NORMS,
  type RoarAxis,
  type RoarLoss,
  type RoarMethod,
  type RoarResult,
  type RoarSeries,
} from './roar-result.ts';
import { factList } from './sections/protocol.ts';
import { dataTable } from './table.ts';

/**
 * The report of a study of ROAR and KAR: one self-contained HTML file that opens offline, needs no scripts, and follows the
 * reader's light or dark theme.
 *
 * @example await run.write('report.html', renderRoarReport(result))
 */
export function renderRoarReport(result: RoarResult): string {
  const numbering = createNumbering();
  const document = createDocument();
  const body = html`${opening(result)}
${correlationSection(result, numbering)}
${result.protocols.map((protocol) => protocolPart(result, protocol, numbering, document))}
${modelSection(result, numbering)}
${sampleSection(result, numbering)}
${endSection(result)}`;
  return renderPage({ title: result.title, body });
}

/** Every score plot, by protocol, mode, loss and axis, as SVG files of 6 by 4 inches. */
export function roarFigures(result: RoarResult): { name: string; svg: string }[] {
  const document = createDocument();
  return result.protocols.flatMap((protocol) =>
    MODES.flatMap((mode) =>
      lossesOf(protocol).flatMap((loss) =>
        ROAR_AXES.map((against) => ({
          name: `${protocol.name}-${mode}-${loss}-${against}`,
          svg: figureFile(
            drawScores(
              result,
              protocol,
              { mode, loss, against, note: `${protocol.name} protocol\nloss: ${LOSS_LABELS[loss]}` },
              { document, width: 576 },
            ),
          ),
        })),
      ),
    ),
  );
}

const lossesOf = ({ series }: ProtocolResult): RoarLoss[] =>
  ROAR_LOSSES.filter((loss) => series.some((each) => each.loss === loss));

function drawScores(
  { dataset }: RoarResult,
  { series, scores }: ProtocolResult,
  { mode, loss, against, note }: { mode: Mode; loss: RoarLoss; against: RoarAxis; note?: string },
  space: { document: Document; width: number },
): string {
  return scorePlot({
    ...space,
    mode,
    against,
    note,
    scores,
    series: series.filter((each) => each.mode === mode && each.loss === loss && each.against === against),
    ...(dataset.name === 'cifar10' && { limits: PUBLISHED_LIMITS[mode] }),
  });
}

function opening(result: RoarResult): Html {
  const { dataset, models, claims, trainings, protocols, seed } = result;
  const [channels = 1, height = 0, width = 0] = dataset.shape;
  const pairs = Math.max(0, ...protocols.flatMap(({ series }) => series.map((each) => each.models.length)));
  return html`<header>
<div class="kicker">Tempered ROAR and KAR · ${dataset.name} · seed\u00a0${seed}</div>
<h1>${result.title}</h1>
<p class="lead">${count(models.length)} classifiers, one standard and ${models.length === 2 ? 'one trained against attacks' : 'the others trained against attacks of rising strength'}, were asked
which pixels matter to them. Those pixels were removed from the data (ROAR), or all others were (KAR), and ${counted(trainings, 'network')} ${trainings === 1 ? 'was' : 'were'}
trained anew on what is left. A faithful map takes away more than chance does, or keeps more.</p>
</header>
<p>${count(dataset.classes.length)} classes, ${width} × ${height} pixels ${channels === 1 ? 'in grey' : 'in colour'}, ${count(dataset.trainCount)}
images to train on and ${count(dataset.testCount)} to test on; the published study has CIFAR-10 with 50,000 and 10,000, and 21 models a series
where this one has ${pairs}. ${
    pairs < 3
      ? 'Two models have no correlation: two points always lie on a line.'
      : `With few models, a correlation has to be large to mean anything: of ${pairs} unrelated pairs of numbers, one time in twenty |r| is above ${chanceCorrelation(pairs).toFixed(3)}.`
  }</p>
<ul class="findings">${claims.map(
    (each) =>
      html`<li><span class="label">${each.id} · ${PROTOCOL_LABELS[each.protocol]} · attack loss ${LOSS_LABELS[each.loss]}</span>
<b>${each.outcome[0]!.toUpperCase() + each.outcome.slice(1)}.</b> ${each.claim} Found: ${each.found}.</li>\n`,
  )}</ul>`;
}

const AXES_SHOWN = ['strength', 'testAccuracy'] as const satisfies readonly RoarAxis[];
const AXIS_WORDS: Readonly<Record<RoarAxis, string>> = {
  strength: 'strength',
  testAccuracy: 'test accuracy',
  trainAccuracy: 'training accuracy',
  adversarialAccuracy: 'accuracy under attack',
};

/** Ours beside the published ones, a row a series. */
function correlationSection(result: RoarResult, numbering: Numbering): Html {
  const [first] = result.protocols;
  if (!first) return html``;
  const hasIntervals = result.protocols.some(({ series }) => series.some(({ interval }) => interval !== undefined));
  const isSame = (a: RoarSeries, b: RoarSeries): boolean =>
    (['mode', 'loss', 'against', 'norm', 'method'] as const).every((key) => a[key] === b[key]);
  const rowOf = (each: RoarSeries): string[] => {
    const published = publishedCorrelation(each);
    const cells = result.protocols.flatMap(({ name, series }) => {
      const own = series.find((other) => isSame(each, other));
      const value = own ? `${correlation(own.pearson)} / ${correlation(own.spearman)}` : '–';
      const band = own?.interval ? `[${correlation(own.interval.lower)}, ${correlation(own.interval.upper)}]` : '';
      return name === 'repaired' && hasIntervals ? [value, band] : [value];
    });
    return [
      seriesLabel(each),
      published ? `${correlation(published.pearson)} / ${correlation(published.spearman)}` : '–',
      ...cells,
    ];
  };
  const rows = MODES.flatMap((mode) =>
    lossesOf(first).flatMap((loss) =>
      ROAR_AXES.flatMap((against) => [
        [`${mode.toUpperCase()} ${loss === 'cw' ? 'CW ' : ''}against ${AXIS_WORDS[against]}`],
        ...first.series
          .filter((each) => each.mode === mode && each.loss === loss && each.against === against)
          .map(rowOf),
      ]),
    ),
  );
  if (rows.length === 0) return html``;
  return html`<h2>Correlations</h2>
<p>Each series holds the standard model and the models of one norm. G is Saliency, |∇|; GX is Grad*Input. The published protocol ranks, occludes,
masks and scores as the study does, confounders included; the repaired one removes exact counts of pixels, the same random ones for all models, and
trains with several seeds. Networks, data and budgets are those of <em>Protocol and versions</em> below, under both.</p>
${dataTable({
  number: numbering.table(),
  isWide: true,
  caption: html`Correlation of scores with strength and accuracies, Pearson’s r / Spearman’s ρ: as published for CIFAR-10, and on
${result.dataset.name} under each protocol.${
    hasIntervals &&
    ' Brackets hold 95% of the r when seeds are drawn anew; they know nothing of other models that could have been trained.'
  }`,
  columns: [
    { heading: 'series', kind: 'text' },
    { heading: 'as published' },
    ...result.protocols.flatMap(({ name }) => [
      { heading: `here, ${name}` },
      ...(name === 'repaired' && hasIntervals ? [{ heading: 'interval', kind: 'interval' as const }] : []),
    ]),
  ],
  rows,
})}`;
}

function protocolPart(result: RoarResult, protocol: ProtocolResult, numbering: Numbering, document: Document): Html {
  const plots = lossesOf(protocol).flatMap((loss) =>
    AXES_SHOWN.flatMap((against) => MODES.map((mode) => ({ mode, loss, against }))),
  );
  const bands = protocol.scores.some(({ lower }) => lower !== undefined)
    ? `Bars are 95% intervals over ${protocol.repetitions} seeds.`
    : `Each accuracy is ${protocol.repetitions === 1 ? 'that of one training' : `a mean over ${protocol.repetitions} trainings`}.`;
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const { epochs } = result;
  return html`<h2>${PROTOCOL_LABELS[protocol.name]}</h2>
<p>${
    protocol.name === 'published'
      ? html`Whole images are what the standard model itself classifies, ${percent(mean(protocol.unoccluded))} of them right${
          epochs.models !== epochs.retrained &&
          `; it was trained for ${counted(epochs.models, 'epoch')}, the retrained networks for ${epochs.retrained}, so that the curves below can step where they leave it`
        }; empty ones are taken to be guessed, ${percent(mean(protocol.chance))}.`
      : html`Networks trained like the others reach ${percent(mean(protocol.unoccluded))} on whole images and ${percent(mean(protocol.chance))} on
empty ones, ${protocol.repetitions === 1 ? 'with one seed' : `in the mean over ${protocol.repetitions} seeds`}.`
  } Neither enters the scores: both curves of a score have the same ends.</p>
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`<div class="plots two">${plots.map(
    (which) => html`<div>${plotPair((space) => drawScores(result, protocol, which, space), document, 460)}</div>`,
  )}</div>`,
  caption: html`Scores under the ${protocol.name} protocol against strength and test accuracy, with Pearson’s r / Spearman’s ρ and lines of least
squares${lossesOf(protocol).length > 1 && '; first the models trained against cross-entropy, then those against the CW loss'}. Above 0, a map is better than
chance. ${bands} All figures, training accuracy and accuracy under attack included, are in figures/ as files of 6 × 4 inches.`,
})}
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`<div class="plots two">${MODES.map(
    (mode) =>
      html`<div>${plotPair((space) => accuracyCurves({ ...space, mode, curves: curvesOf(result, protocol, mode) }), document, 460)}</div>`,
  )}</div>`,
  caption: html`Accuracy of networks trained and tested on occluded images, under the ${protocol.name} protocol: pixels chosen at random, and by
${METHOD_LABELS[result.samples.method]} of the standard and the strongest models. Bands span the repetitions.`,
})}
${scoreTable(result, protocol, numbering)}`;
}

/** Random masks, and the maps of the standard and the strongest models of the first loss. */
function curvesOf({ models, samples }: RoarResult, protocol: ProtocolResult, mode: Mode): AccuracyCurve[] {
  const loss = lossesOf(protocol)[0];
  const strongest = ROAR_NORMS.flatMap(
    (name) => models.findLast((model) => model.norm === name && model.loss === loss) ?? [],
  );
  const styles = {
    random: { color: 'var(--quiet)', dash: '2 3', symbol: 'circle' },
    standard: { color: 'var(--standard)', dash: '5 3', symbol: 'diamond2' },
    l2: { color: 'var(--l2)', dash: 'none', symbol: 'square2' },
    linf: { color: 'var(--linf)', dash: 'none', symbol: 'triangle' },
  } as const;
  const own = (model: string, method: RoarMethod | 'random') =>
    protocol.accuracies.filter((each) => each.mode === mode && each.model === model && each.method === method);
  return [
    { label: 'random', ...styles.random, points: curveOf(protocol, mode, own('standard', 'random')) },
    { label: 'standard', ...styles.standard, points: curveOf(protocol, mode, own('standard', samples.method)) },
    ...strongest.map((model) => ({
      label: modelLabel(model, epsilon),
      ...styles[model.norm!],
      points: curveOf(protocol, mode, own(model.name, samples.method)),
    })),
  ];
}

function curveOf({ unoccluded, chance }: ProtocolResult, mode: Mode, accuracies: readonly OccludedAccuracy[]) {
  const point = (x: number, values: readonly number[]) => ({
    x,
    y: values.reduce((a, b) => a + b, 0) / values.length,
    low: Math.min(...values),
    high: Math.max(...values),
  });
  const [start, end] = mode === 'roar' ? [unoccluded, chance] : [chance, unoccluded];
  return [
    point(0, start),
    ...accuracies.map(({ percentile, values }) => point(percentile / 100, values)),
    point(1, end),
  ];
}

function scoreTable({ models }: RoarResult, { name, scores }: ProtocolResult, numbering: Numbering): Html {
  const methods = [...new Set(scores.map(({ method }) => method))];
  const kinds = MODES.flatMap((mode) => methods.map((method) => ({ mode, method })));
  const hasBands = scores.some(({ lower }) => lower !== undefined);
  return dataTable({
    number: numbering.table(),
    isWide: true,
    caption: html`Scores of every model under the ${name} protocol${hasBands && ', with 95% intervals over the seeds'}.`,
    columns: [
      { heading: 'model', kind: 'text' },
      ...kinds.flatMap(({ mode, method }) => [
        { heading: `${mode.toUpperCase()} ${METHOD_LABELS[method]}` },
        ...(hasBands ? [{ heading: '', kind: 'interval' as const }] : []),
      ]),
    ],
    rows: models.map((model) => [
      modelLabel(model, epsilon),
      ...kinds.flatMap(({ mode, method }) => {
        const found = scores.find((each) => each.mode === mode && each.method === method && each.model === model.name);
        const band = found?.lower === undefined ? '' : `[${score(found.lower)}, ${score(found.upper!)}]`;
        return [found ? score(found.mean) : '–', ...(hasBands ? [band] : [])];
      }),
    ]),
  });
}

function modelSection({ models, unranked, dataset }: RoarResult, numbering: Numbering): Html {
  const methods = [...new Set(unranked.map(({ method }) => method))];
  return html`<h2>The models</h2>
${dataTable({
  number: numbering.table(),
  isWide: true,
  caption: html`The models that are explained, on all ${count(dataset.trainCount)} training and ${count(dataset.testCount)} test images; under
attack as in the protocol below. <em>Ties</em> are the share of pixels whose value in the map is exactly 0, which chance puts in order;
<em>drowned</em> those above 0 but below the noise of 1e-8 by which the published protocol breaks ties: there, noise ranks them.`,
  columns: [
    { heading: 'model', kind: 'text' },
    { heading: 'strength' },
    { heading: 'training' },
    { heading: 'test' },
    { heading: 'under attack' },
    ...methods.flatMap((method) => [{ heading: `${METHOD_LABELS[method]}: ties` }, { heading: 'drowned' }]),
  ],
  rows: models.map((model) => [
    modelLabel(model, epsilon),
    model.strength.toFixed(2),
    percent(model.trainAccuracy),
    percent(model.testAccuracy),
    percent(model.adversarialAccuracy),
    ...methods.flatMap((method) => {
      const found = unranked.find((each) => each.model === model.name && each.method === method);
      return found ? [percent(found.ties), percent(found.drowned)] : ['–', '–'];
    }),
  ]),
})}`;
}

function sampleSection({ samples, models }: RoarResult, numbering: Numbering): Html {
  if (samples.images.length === 0) return html``;
  const labelOf = (name: string) => {
    const model = models.find((each) => each.name === name);
    return model ? modelLabel(model, epsilon) : 'random';
  };
  return html`<h2>What is left of the images</h2>
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`${samples.images.map(
    ({ label, image, rows }) =>
      html`<div class="example"><h3>${label}</h3>${imageGrid(
        rows.map(({ model, map, occluded }) => ({
          heading: labelOf(model),
          cells: [
            map
              ? {
                  picture: map,
                  heading: METHOD_LABELS[samples.method],
                  alt: `${METHOD_LABELS[samples.method]} of the ${labelOf(model)} model`,
                }
              : {
                  picture: image,
                  heading: METHOD_LABELS[samples.method],
                  alt: `The image of class ${label}`,
                  caption: 'the image',
                },
            ...occluded.map(({ mode, percentile, picture }) => ({
              picture,
              heading: mode === 'roar' ? `without top ${percentile}%` : `only top ${percentile}%`,
              alt: `The image ${mode === 'roar' ? 'without' : 'reduced to'} the ${percentile} per cent of its pixels that matter most`,
            })),
          ],
        })),
      )}</div>`,
  )}`,
  caption: html`Test images as the networks are trained and tested on them, under the ${samples.protocol} protocol: what ROAR removes and KAR keeps
of them by ${METHOD_LABELS[samples.method]} (magnitude, each map on its own scale) of the standard and the strongest models, and by chance.`,
})}`;
}

const endSection = ({ protocol, versions }: RoarResult): Html => html`<h2>Protocol and versions</h2>
<p>Everything needed to run this again. The same settings and seed on the same device give the same numbers, however many trainings run at once.</p>
${factList([...protocol, ...Object.entries(versions).map(([name, value]) => ({ name, value }))])}
<footer>Written by Tempered. Every number in this page is also in the run folder: settings and hashes in manifest.json, the figures in roar.json, tables as
CSV, plots as SVG, models as ONNX, and a record of every training in steps/.</footer>`;
