import type { ReportContext } from '../context.ts';
import { curvePlot } from '../curve-plot.ts';
import { figureOf, modelKey, modelName, plotRow } from '../figure.ts';
import { epsilon, norm } from '../format.ts';
import { type Html, html } from '../html.ts';
import { imageGrid, pictureOf } from '../image-grid.ts';
import { MODEL_NAMES, type ModelName, type TraversalResult } from '../study-result.ts';
import { predictionNote } from './explanations.ts';

export function largeEpsilonSection({ result, numbering }: ReportContext): Html | undefined {
  const large = result.largeEpsilon;
  if (!large || large.examples.length === 0) return undefined;
  return html`<h2>A perturbation one can see</h2>
<p>Let the attack go far enough to be seen and it has to show its hand: what does an image need, in the model’s eyes, to become another class?
Noise that resembles nothing, or parts of that class?</p>
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`<div class="trio">${large.examples.map(
    (example) =>
      html`<div><h3>${example.label} → ${example.target}</h3>${imageGrid([
        {
          heading: '',
          cells: [
            {
              picture: example.picture,
              heading: 'source',
              alt: `A test image of class ${example.label}`,
              caption: example.label,
            },
            ...MODEL_NAMES.map((model) => {
              const { picture, prediction } = example.models[model];
              return {
                picture,
                heading: `${model} model`,
                alt: `The image changed until the ${model} model says ${prediction.label}`,
                caption: predictionNote(prediction, example.target),
              };
            }),
          ],
        },
      ])}</div>`,
  )}</div>`,
  caption: html`Targeted attacks with ε = ${epsilon(large.epsilon)} (${norm(large.norm)}), ${large.steps} steps. Below each image stands what its model then takes it for
(<b class="wrong">in red</b> when the target was missed). Look for parts of the target class.`,
})}`;
}

export function traversalSection({ result, numbering, document }: ReportContext): Html | undefined {
  const traversal = result.traversal;
  if (!traversal) return undefined;
  const series = (quantity: 'logit' | 'probability') => ({
    standard: traversal.models.standard.history.map((point) => ({ x: point.step, y: point[quantity] })),
    robust: traversal.models.robust.history.map((point) => ({ x: point.step, y: point[quantity] })),
  });
  const { label, target } = traversal;
  return html`<h2>From ${label} to ${target}</h2>
<p>Starting from one image of class ${label}, ${traversal.steps} gradient steps raise the logit of ${target}${traversal.bound && `, within ${traversal.bound}`}.
What appears on the way is what the model has learned that class to be.</p>
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`${MODEL_NAMES.map((model) => walk(traversal, model))}`,
  caption: html`The way from ${label} to ${target} for both models: played on the left, in stills on the right. Every still is labelled with its step.`,
})}
${figureOf({
  number: numbering.figure(),
  isWide: true,
  content: html`${modelKey()}${plotRow(
    [
      (space) =>
        curvePlot({ ...space, title: `Logit of ${target}`, xLabel: 'step', yKind: 'value', series: series('logit') }),
      (space) =>
        curvePlot({
          ...space,
          title: `Probability of ${target}`,
          xLabel: 'step',
          yKind: 'share',
          series: series('probability'),
        }),
    ],
    document,
  )}`,
  caption: html`How soon each model is convinced. A model whose probability saturates in few steps can be moved far by changes that mean little.`,
})}`;
}

function walk(traversal: TraversalResult, model: ModelName): Html {
  const { animation, frames } = traversal.models[model];
  const last = frames.at(-1)?.picture ?? animation;
  return html`<div class="walk"><h3>${modelName(model)} model</h3>
<picture class="picture"><source media="print, (prefers-reduced-motion: reduce)" srcset="${last}"><img src="${animation}" alt="Animation from ${traversal.label} to ${traversal.target} by the ${model} model"></picture>
<div class="strip" style="--frames: ${Math.min(10, frames.length)}">${frames.map(
    ({ step, picture }) =>
      html`<div>${pictureOf({ picture, alt: `Step ${step}` })}<span class="note">step ${step}</span></div>`,
  )}</div></div>`;
}
