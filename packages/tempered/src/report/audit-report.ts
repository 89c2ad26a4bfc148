/** @file Node only. An audit as one HTML file. */
import type { HonestyCheck } from '../evaluation/honesty/check.ts';
import type { AccuraciesAtEpsilon } from '../evaluation/summary.ts';
import { accuracyPlot } from './accuracy-plot.ts';
import type { AuditExample, AuditResult } from './audit-result.ts';
import { auditFindings } from './audit-summary.ts';
import { createNumbering, figureOf, type Numbering, plotPair } from './figure.ts';
import { count, duration, epsilon, epsilonColumn, measured, norm, percent, percentInterval } from './format.ts';
import { type Html, html } from './html.ts';
import { imageGrid } from './image-grid.ts';
import { createDocument } from './node-document.ts';
import { renderPage } from './page.ts';
import { SERIES } from './plot.ts';
import { colorBar, predictionNote } from './sections/explanations.ts';
import { factList } from './sections/protocol.ts';
import { dataTable } from './table.ts';

/**
 * The report of an audit: one self-contained HTML file that opens offline, needs no scripts, and follows the reader's
 * light or dark theme.
 *
 * @example await run.write('report.html', renderAuditReport(result))
 */
export function renderAuditReport(result: AuditResult): string {
  const numbering = createNumbering();
  const body = html`${opening(result, numbering)}
${accuracySection(result, numbering)}
${honestySection(result, numbering)}
${exampleSection(result, numbering)}
${modelSection(result)}
${protocolSection(result)}`;
  return renderPage({ title: `Audit of ${result.model.name}`, body });
}

function opening(result: AuditResult, numbering: Numbering): Html {
  const { model, dataset, evaluation } = result;
  return html`<header>
<div class="kicker">Tempered audit · ${model.name} · ${dataset.name}, ${dataset.split}</div>
<h1>How robust is ${model.name}?</h1>
<p class="lead">The classifier was attacked and explained on ${count(dataset.count)} images of ${dataset.name}, and the evaluation itself
was checked: whether its attacks could see what they were after.</p>
</header>
<ul class="findings">${auditFindings(result).map(({ topic, text }) => html`<li><span class="label">${topic}</span>${text}</li>\n`)}</ul>
${figureOf({
  number: numbering.figure(),
  content: plotPair(
    (space) =>
      accuracyPlot({
        ...space,
        series: [{ style: { ...SERIES.robust, label: model.name }, points: evaluation.underAttack }],
        chance: 1 / model.classes.length,
        norm: norm(result.norm),
        scale: 'root',
      }),
    createDocument(),
  ),
  caption: html`Accuracy as the perturbation may grow: the share of images that is classified right and that no attack broke. The band is the
95% interval.`,
})}`;
}

function accuracySection(result: AuditResult, numbering: Numbering): Html {
  const { evaluation, attacks, model, dataset } = result;
  const { natural, underAttack } = evaluation;
  const shown = epsilonColumn(underAttack.map((at) => at.epsilon));
  const names = Object.keys(underAttack.at(-1)?.byAttack ?? {});
  const byClass = classRadius(underAttack, natural.accuracy);
  return html`<h2>Accuracy</h2>
<p>Robust accuracy counts, image by image, what withstood every attack; it bounds the model’s robustness from above, since a stronger attack could
find more. Without attack ${percent(natural.accuracy)} ${percentInterval(natural)} of the images are classified right${
    natural.top5 && html`, and for ${percent(natural.top5.accuracy)} the class is among the first five`
  }.</p>
${dataTable({
  number: numbering.table(),
  isWide: true,
  caption: html`Accuracy under attack (${norm(result.norm)}) on ${count(dataset.count)} images: the worst case over the attacks with its 95%
interval, each attack by itself, and how many of the broken images stay broken with pixels rounded to 8 bits.`,
  columns: [
    { heading: 'ε', kind: 'number' },
    { heading: 'worst case' },
    { heading: 'interval', kind: 'interval' },
    ...names.map((name) => ({ heading: name })),
    { heading: '8 bits' },
  ],
  rows: underAttack.map((at, i) => [
    shown[i],
    percent(at.accuracy),
    percentInterval(at),
    ...names.map((name) => (at.byAttack[name] ? percent(at.byAttack[name].accuracy) : '–')),
    at.broken === 0 ? '–' : `${at.survivesRounding} of ${at.broken}`,
  ]),
})}
<dl class="facts">${Object.entries(attacks).map(([name, words]) => html`<dt>${name}</dt><dd>${words}; ${cost(underAttack, name)}</dd>\n`)}</dl>
${
  byClass &&
  dataTable({
    number: numbering.table(),
    caption: html`Each class without attack and at ε = ${epsilon(byClass.epsilon)}, in per cent.`,
    columns: [
      { heading: 'class', kind: 'text' },
      { heading: 'images' },
      { heading: 'natural' },
      { heading: 'interval', kind: 'interval' },
      { heading: 'under attack' },
      { heading: 'interval', kind: 'interval' },
    ],
    rows: model.classes.flatMap((name, k) => {
      const [before, after] = [natural.byClass[k], byClass.byClass[k]];
      if (!before || !after) return [];
      const cells = [before, after].flatMap((share) => [percent(share.accuracy), percentInterval(share)]);
      return [[name, before.count, ...cells]];
    }),
  })
}`;
}

/** Where the classes differ most visibly: the first ε that halves the accuracy, or the last one. */
export const classRadius = (
  underAttack: readonly AccuraciesAtEpsilon[],
  natural: number,
): AccuraciesAtEpsilon | undefined =>
  underAttack.find((at) => at.epsilon > 0 && at.accuracy <= natural / 2) ??
  underAttack.findLast((at) => at.epsilon > 0);

function cost(underAttack: readonly AccuraciesAtEpsilon[], name: string): string {
  const spent = underAttack.flatMap(({ byAttack }) => byAttack[name] ?? []);
  const total = (of: (each: (typeof spent)[number]) => number) => spent.reduce((sum, each) => sum + of(each), 0);
  return `${count(total(({ forwards }) => forwards))} forward passes and ${count(total(({ gradients }) => gradients))} gradients in ${duration(total(({ seconds }) => seconds))}`;
}

const VERDICT_ORDER = ['fail', 'warn', 'pass', 'not applicable'] as const;

function honestySection({ checks, masks }: AuditResult, numbering: Numbering): Html {
  const sorted = VERDICT_ORDER.flatMap((verdict) => checks.filter((check) => check.verdict === verdict));
  return html`<h2>Can these numbers be trusted?</h2>
<p>Many models looked robust only because attacks on them failed for reasons of their own. Each check below looks for one such reason.</p>
${
  masks.length > 0 &&
  html`<p>Found in this model, and worked around where a way is known:</p><ul>${masks.map((each) => html`<li>${each}</li>`)}</ul>`
}
${dataTable({
  number: numbering.table(),
  isWide: true,
  caption: html`Checks of the evaluation, the ones that call for attention first.`,
  columns: [
    { heading: 'check', kind: 'text' },
    { heading: 'verdict', kind: 'text' },
    { heading: 'evidence', kind: 'text' },
  ],
  rows: sorted.map((check) => [
    html`${check.id} ${check.title}`,
    verdictOf(check),
    html`${check.evidence}${check.advice && html` <em>${check.advice}</em>`}`,
  ]),
})}`;
}

const verdictOf = ({ verdict }: HonestyCheck): Html =>
  verdict === 'fail' || verdict === 'warn' ? html`<b class="wrong">${verdict}</b>` : html`${verdict}`;

function exampleSection({ examples, exampleAttack }: AuditResult, numbering: Numbering): Html {
  if (examples.length === 0) return html``;
  const { name, epsilon: size, amplify } = exampleAttack;
  return html`<h2>What the model looks at</h2>
<p>An attribution gives every pixel its share in the model’s output for the image’s true class: above for the image, below for the same image under
attack.</p>
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`${colorBar()}${examples.map(
    (example, i) =>
      html`<div class="example"><h3>Image ${i + 1} · ${example.label}</h3>${exampleGrid(example, amplify)}</div>`,
  )}`,
  caption: html`Images that the model classifies right, one a class, natural and attacked
by ${name} at ε = ${epsilon(size)}. Below each image stands what the model
takes it for (<b class="wrong">in red</b> when wrong) and its probability; below each map the value of the strongest colour and the share of its
mass that speaks for the class. Maps share their colours, not their scale.`,
})}`;
}

const exampleGrid = ({ label, natural, attacked }: AuditExample, amplify: number): Html =>
  imageGrid(
    Object.entries({ natural, attacked }).map(([heading, view]) => ({
      heading,
      cells: [
        {
          picture: view.picture,
          heading: 'image',
          alt: `The ${heading} image of class ${label}; the model says ${view.prediction.label}`,
          caption: predictionNote(view.prediction, label),
        },
        {
          picture: view.perturbation,
          heading: `change × ${amplify}`,
          alt: `What the attack added, enlarged ${amplify} times`,
        },
        ...view.attributions.map(({ method, picture, clip, positiveShare }) => ({
          picture,
          heading: method,
          alt: `${method} of the ${heading} image`,
          caption:
            positiveShare === undefined
              ? 'zero everywhere'
              : html`± ${measured(clip)}, ${Math.round(100 * positiveShare)}% for`,
        })),
      ],
    })),
  );

function modelSection({ model }: AuditResult): Html {
  const [channels = 1, height = 0, width = 0] = model.inputShape;
  return html`<h2>The model</h2>
${factList([
  { name: 'File', value: model.file },
  { name: 'Input', value: `${channels} × ${height} × ${width}, pixels in [0, 1]; ${model.preprocessing}` },
  {
    name: 'Classes',
    value: `${count(model.classes.length)}: ${model.classes.slice(0, 20).join(', ')}${model.classes.length > 20 ? ' …' : ''}`,
  },
  { name: 'Parameters', value: count(model.parameterCount) },
  { name: 'Operators', value: model.operators.map((each) => `${each.op} × ${each.count}`).join(', ') },
])}`;
}

const protocolSection = ({ protocol, versions }: AuditResult): Html => html`<h2>Protocol and versions</h2>
<p>Everything needed to run this again. The same settings and seed on the same device give the same numbers.</p>
${factList([...protocol, ...Object.entries(versions).map(([name, value]) => ({ name, value }))])}
<footer>Written by Tempered. Every number in this page is also in the run folder: settings and hashes in manifest.json, the figures in audit.json, what became of each image in tables/ledger.csv.</footer>`;
