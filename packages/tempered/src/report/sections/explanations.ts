import { cssGradient, DIVERGING } from '../../image/colormap.ts';
import type { ReportContext } from '../context.ts';
import { figureOf, modelKey, modelName, plotRow } from '../figure.ts';
import { count, epsilon, measured, percent, percentInterval, probability } from '../format.ts';
import { type Html, html, markup } from '../html.ts';
import { type GridRow, imageGrid } from '../image-grid.ts';
import { type IntervalRow, intervalPlot } from '../interval-plot.ts';
import { type ExampleResult, MODEL_NAMES, type ModelName, type Prediction, type StudyResult } from '../study-result.ts';
import { dataTable } from '../table.ts';

export function explanationSection(context: ReportContext): Html {
  const { examples, models } = context.result;
  const hasMeasures = MODEL_NAMES.some((model) => models[model].attributions.some((each) => each.relevanceMass));
  if (examples.length === 0 && !hasMeasures) return html``;
  return html`<h2>What the models look at</h2>
<p>An attribution gives every pixel its share in the model’s output for the image’s true class. Read each image from left to right: what the model
sees, how the attack changes its mind, and which pixels the methods hold responsible.</p>
${examples.length > 0 && exampleFigure(context)}
${hasMeasures && measures(context)}
${completeness(context.result)}`;
}

function exampleFigure({ result, numbering }: ReportContext): Html {
  const { epsilon: size, amplify } = result.exampleAttack;
  const isOutlined = result.examples.some((example) => example.outline);
  return figureOf({
    number: numbering.figure(),
    isWide: true,
    content: html`${colorBar()}${result.examples.map(
      (example, i) => html`<div class="example"><h3>Image ${i + 1} · ${example.label}</h3>
${imageGrid(MODEL_NAMES.map((model) => exampleRow(result, example, model)))}</div>`,
    )}`,
    caption: html`Test images, the same for both models. Adversarial images differ from the natural ones by at most ε = ${epsilon(size)}; the perturbation
is enlarged ${amplify} times around grey. Below each image stands what the model takes it for (<b class="wrong">in red</b> when wrong) and its
probability; below each map the value of the strongest colour and the share of its mass that speaks for the class.
${isOutlined && 'The outline is the border of the object. '}Maps share their colours, not their scale.`,
  });
}

/** A prediction, marked when it is not the label. */
export const predictionNote = ({ label, probability: share }: Prediction, truth: string): Html =>
  html`<b${label !== truth && markup(' class="wrong"')}>${label}</b> ${probability(share)}`;

function exampleRow(result: StudyResult, example: ExampleResult, model: ModelName): GridRow {
  const { prediction, adversarial, perturbation, attributions } = example.models[model];
  const { outline, label } = example;
  const { amplify } = result.exampleAttack;
  return {
    heading: modelName(model),
    cells: [
      {
        picture: example.picture,
        heading: 'natural',
        alt: `A test image of class ${label}; the ${model} model says ${prediction.label}`,
        caption: predictionNote(prediction, label),
      },
      {
        picture: adversarial.picture,
        heading: 'adversarial',
        alt: `The image after an attack on the ${model} model, which now says ${adversarial.prediction.label}`,
        caption: predictionNote(adversarial.prediction, label),
      },
      {
        picture: perturbation,
        heading: `perturbation × ${amplify}`,
        alt: `What the attack on the ${model} model added, enlarged ${amplify} times`,
      },
      ...attributions.map(({ method, picture, clip, positiveShare }) => ({
        picture,
        outline,
        heading: method,
        alt: `${method} of the ${model} model`,
        caption:
          positiveShare === undefined
            ? 'zero everywhere'
            : html`± ${measured(clip)}, ${Math.round(100 * positiveShare)}% for`,
      })),
    ],
  };
}

export const colorBar =
  (): Html => html`<div class="colorbar"><div class="bar" style="background: ${cssGradient(DIVERGING)}"></div>
<span>against the class</span><span>0</span><span>for the class</span></div>`;

function measures({ result, numbering, document }: ReportContext): Html {
  const { models, dataset } = result;
  const rowsOf = (kind: 'relevanceMass' | 'pointingGame'): IntervalRow[] =>
    MODEL_NAMES.flatMap((model) =>
      models[model].attributions.flatMap((each) => {
        const found = each[kind];
        if (!found) return [];
        const value = 'mean' in found ? found.mean : found.accuracy;
        return [{ name: each.method, model, value, lower: found.lower, upper: found.upper }];
      }),
    );
  const reference = dataset.objectShare === undefined ? undefined : { value: dataset.objectShare, label: 'blind' };
  const plots = [
    { title: 'Relevance mass inside the object', rows: rowsOf('relevanceMass') },
    { title: 'Pointing game: maximum inside the object', rows: rowsOf('pointingGame') },
  ].filter(({ rows }) => rows.length > 0);
  const counts = MODEL_NAMES.flatMap((model) =>
    models[model].attributions.map((each) => each.pointingGame?.count ?? 0),
  );
  return html`<p>Where the object is, is known. So an explanation can be marked: how much of its mass, and how often its maximum, lies on the object.</p>
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`${modelKey()}${plotRow(
    plots.map(
      ({ title, rows }) =>
        (space) =>
          intervalPlot({ ...space, title, rows, reference }),
    ),
    document,
  )}`,
  caption: html`Explanations measured against object masks${Math.max(...counts) > 0 && ` on ${count(Math.max(...counts))} test images`}; higher is better.
${reference && `A blind explanation would put ${percent(reference.value)} of its mass, and of its maxima, on the object: its share of the image.`}`,
})}
${plots.map(({ title, rows }) => measureTable(title, rows, numbering.table()))}`;
}

function measureTable(title: string, rows: readonly IntervalRow[], number: number): Html {
  const methods = [...new Set(rows.map((row) => row.name))];
  return dataTable({
    number,
    caption: html`${title}, with 95% intervals in per cent.`,
    columns: [
      { heading: 'method', kind: 'text' },
      ...MODEL_NAMES.flatMap((model) => [
        { heading: modelName(model) },
        { heading: 'interval', kind: 'interval' as const },
      ]),
    ],
    rows: methods.map((method) => [
      method,
      ...MODEL_NAMES.flatMap((model) => {
        const row = rows.find((each) => each.model === model && each.name === method);
        return row ? [percent(row.value), percentInterval(row)] : ['–', ''];
      }),
    ]),
  });
}

function completeness({ models }: StudyResult): Html | undefined {
  const known = MODEL_NAMES.flatMap((model) => {
    const error = models[model].completenessError;
    return error ? [html`${percent(error.relative)} for the ${modelName(model)} model`] : [];
  });
  const [first, second] = known;
  if (!first) return undefined;
  const steps = models.standard.completenessError?.steps ?? models.robust.completenessError?.steps;
  return html`<p>A check on the method itself: with ${steps} steps, integrated gradients miss the difference in output that they should add up to
by ${first}${second && html` and ${second}`} (all misses together over all differences together).</p>`;
}
