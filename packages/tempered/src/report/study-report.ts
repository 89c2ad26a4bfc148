/** @file Node only. A study as one HTML file. */

import { accuracyPlot } from './accuracy-plot.ts';
import type { ReportContext } from './context.ts';
import { createNumbering, figureOf, modelKey, plotPair } from './figure.ts';
import { count, epsilon, norm } from './format.ts';
import { type Html, html } from './html.ts';
import { createDocument } from './node-document.ts';
import { renderPage } from './page.ts';
import { SERIES } from './plot.ts';
import { accuracySection } from './sections/accuracy.ts';
import { explanationSection } from './sections/explanations.ts';
import { protocolSection } from './sections/protocol.ts';
import { largeEpsilonSection, traversalSection } from './sections/synthesis.ts';
import { trainingSection } from './sections/training.ts';
import { MODEL_NAMES, type StudyResult } from './study-result.ts';
import { findings } from './summary.ts';

/**
 * The report of a study: one self-contained HTML file that opens offline, needs no scripts, and follows the reader's
 * light or dark theme. Sections whose data the study does not have are left out.
 *
 * @example await run.write('report.html', renderStudyReport(result))
 */
export function renderStudyReport(result: StudyResult): string {
  const context: ReportContext = { result, numbering: createNumbering(), document: createDocument() };
  const body = html`${opening(context)}
${accuracySection(context)}
${explanationSection(context)}
${largeEpsilonSection(context)}
${traversalSection(context)}
${trainingSection(context)}
${protocolSection(context)}`;
  return renderPage({ title: result.title, body });
}

function opening({ result, numbering, document }: ReportContext): Html {
  const { dataset, attack, models } = result;
  const [channels = 1, height = 0, width = 0] = dataset.shape;
  const smallest = Math.min(...Object.values(models).map((model) => model.natural.count));
  return html`<header>
<div class="kicker">Tempered study · ${dataset.name} · ${result.preset} preset · seed\u00a0${result.seed}</div>
<h1>${result.title}</h1>
<p class="lead">Two classifiers of the same architecture were trained on ${dataset.name}, one in the standard way, one on adversarial examples.
Both were attacked, explained and measured on the same images.</p>
</header>
<p>${dataset.note} ${count(dataset.classes.length)} classes, ${width} × ${height} pixels ${channels === 1 ? 'in grey' : 'in colour'},
${count(dataset.trainCount)} images to train on and ${count(dataset.testCount)} to test on.
Brackets hold 95% intervals; natural accuracy is measured on ${count(smallest)} images.</p>
<ul class="findings">${findings(result).map(({ topic, text }) => html`<li><span class="label">${topic}</span>${text}</li>\n`)}</ul>
${figureOf({
  number: numbering.figure(),
  content: html`${modelKey()}${plotPair(
    (space) =>
      accuracyPlot({
        ...space,
        series: MODEL_NAMES.map((model) => ({ style: SERIES[model], points: models[model].underAttack })),
        trainingEpsilon: attack.trainingEpsilon,
        chance: 1 / dataset.classes.length,
        norm: norm(attack.norm),
      }),
    document,
  )}`,
  caption: html`Accuracy under ${attack.name} as the perturbation may grow. The distance between the lines is what adversarial training at
ε = ${epsilon(attack.trainingEpsilon)} bought; where they start, on the left, is what it cost. Bands are 95% intervals.`,
})}`;
}
