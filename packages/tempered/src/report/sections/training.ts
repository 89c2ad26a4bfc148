import type { ReportContext } from '../context.ts';
import { curvePlot } from '../curve-plot.ts';
import { figureOf, modelKey, modelName, plotRow } from '../figure.ts';
import { count, duration, figure, percent } from '../format.ts';
import { type Html, html } from '../html.ts';
import { type EpochResult, MODEL_NAMES, type ModelName } from '../study-result.ts';
import { dataTable } from '../table.ts';

const optionalPercent = (value: number | undefined): string => (value === undefined ? '–' : percent(value));

export function trainingSection({ result, numbering, document }: ReportContext): Html {
  const { models } = result;
  const series = (quantity: 'loss' | 'naturalAccuracy' | 'robustAccuracy') => {
    const of = (model: ModelName) =>
      models[model].history.flatMap((epoch) => {
        const y = epoch[quantity];
        return y === undefined ? [] : [{ x: epoch.epoch, y }];
      });
    return { standard: of('standard'), robust: of('robust') };
  };
  const plots = (
    [
      ['Training loss', 'loss', 'value'],
      ['Natural accuracy', 'naturalAccuracy', 'share'],
      ['Accuracy under attack', 'robustAccuracy', 'share'],
    ] as const
  ).filter(([, quantity]) => MODEL_NAMES.some((model) => series(quantity)[model].length > 0));
  const total = (history: readonly EpochResult[]) => history.reduce((sum, epoch) => sum + epoch.seconds, 0);
  return html`<h2>Training</h2>
${dataTable({
  number: numbering.table(),
  caption: html`The two models. They start from the same weights and see the same images in the same order.`,
  columns: [
    { heading: 'model', kind: 'text' },
    { heading: 'trained by', kind: 'text' },
    { heading: 'parameters' },
    { heading: 'epochs' },
    { heading: 'time' },
  ],
  rows: MODEL_NAMES.map((model) => {
    const { description, parameterCount, history } = models[model];
    return [modelName(model), description, count(parameterCount), history.length, duration(total(history))];
  }),
})}
${
  plots.length > 0 &&
  figureOf({
    number: numbering.figure(),
    isWide: true,
    content: html`${modelKey()}${plotRow(
      plots.map(
        ([title, quantity, yKind]) =>
          (space) =>
            curvePlot({ ...space, title, xLabel: 'epoch', yKind, series: series(quantity) }),
      ),
      document,
    )}`,
    caption: html`Training, epoch by epoch. The robust model’s loss is measured on adversarial images, so the two losses are not to be compared.`,
  })
}
${MODEL_NAMES.map((model) => historyTable(model, models[model].history))}`;
}

function historyTable(model: ModelName, history: readonly EpochResult[]): Html | undefined {
  if (history.length === 0) return undefined;
  return html`<details><summary>Every epoch of the ${model} model</summary><div class="scroll"><table>
<thead><tr><th scope="col">epoch</th><th scope="col">loss</th><th scope="col">natural</th><th scope="col">under attack</th><th scope="col">learning rate</th><th scope="col">time</th></tr></thead>
<tbody>${history.map(
    (epoch) =>
      html`<tr><th scope="row">${epoch.epoch}</th><td>${epoch.loss.toFixed(4)}</td><td>${optionalPercent(epoch.naturalAccuracy)}</td><td>${optionalPercent(epoch.robustAccuracy)}</td><td>${figure(epoch.learningRate)}</td><td>${duration(epoch.seconds)}</td></tr>\n`,
  )}</tbody></table></div></details>`;
}
