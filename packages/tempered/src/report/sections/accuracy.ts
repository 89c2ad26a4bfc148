import type { ReportContext } from '../context.ts';
import { modelName } from '../figure.ts';
import { count, epsilonColumn, norm, percent, percentInterval } from '../format.ts';
import { type Html, type HtmlValue, html } from '../html.ts';
import { type AccuracyResult, MODEL_NAMES } from '../study-result.ts';
import { dataTable } from '../table.ts';

const cells = (result: AccuracyResult | undefined): HtmlValue[] =>
  result ? [percent(result.accuracy), percentInterval(result)] : ['–', ''];

const MODEL_COLUMNS = MODEL_NAMES.flatMap((model) => [
  { heading: modelName(model) },
  { heading: 'interval', kind: 'interval' as const },
]);

export function accuracySection({ result, numbering }: ReportContext): Html {
  const { models, attack } = result;
  const epsilons = [
    ...new Set(MODEL_NAMES.flatMap((model) => models[model].underAttack.map((point) => point.epsilon))),
  ].sort((a, b) => a - b);
  const attacked = MODEL_NAMES.map(
    (model) => new Map(models[model].underAttack.map((point) => [point.epsilon, point])),
  );
  const shown = epsilonColumn(epsilons);
  const images = Math.max(0, ...MODEL_NAMES.flatMap((model) => models[model].underAttack.map((point) => point.count)));
  const hasConflict = MODEL_NAMES.some((model) => models[model].conflict);
  return html`<h2>Accuracy</h2>
<p>An attack looks for the change of at most ε to every image that makes the model wrong; accuracy under attack counts the images on
which it found none. It bounds the model’s robustness from above: a stronger attack could find more.</p>
${dataTable({
  number: numbering.table(),
  caption: html`Accuracy under ${attack.name} (${norm(attack.norm)}) on ${count(images)} test images, with 95% intervals in per cent.`,
  columns: [{ heading: 'ε', kind: 'number' }, ...MODEL_COLUMNS],
  rows: epsilons.map((value, i) => [shown[i], ...attacked.flatMap((points) => cells(points.get(value)))]),
})}
${
  hasConflict &&
  html`<p>The data carry a planted feature: a pattern too weak to see that mostly goes with the label in training. On the
<em>conflict split</em> it no longer does, so a model that relies on it is found out.</p>
${dataTable({
  number: numbering.table(),
  caption: html`Accuracy on unmodified images, where the planted feature agrees with the label and where it does not.`,
  columns: [{ heading: 'split', kind: 'text' }, ...MODEL_COLUMNS],
  rows: [
    ['test', ...MODEL_NAMES.flatMap((model) => cells(models[model].natural))],
    ['conflict', ...MODEL_NAMES.flatMap((model) => cells(models[model].conflict))],
  ],
})}`
}`;
}
