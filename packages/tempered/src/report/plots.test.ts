import { expect, it } from 'vitest';
import { accuracyPlot } from './accuracy-plot.ts';
import { curvePlot } from './curve-plot.ts';
import { intervalPlot } from './interval-plot.ts';
import { createDocument } from './node-document.ts';
import { SERIES } from './plot.ts';
import type { ModelName } from './study-result.ts';

const document = createDocument();

const accuracy = (epsilon: number, value: number) => ({
  epsilon,
  correct: Math.round(200 * value),
  count: 200,
  accuracy: value,
  lower: Math.max(0, value - 0.05),
  upper: Math.min(1, value + 0.05),
});

const plots: Record<string, (width: number) => string> = {
  accuracy: (width) =>
    accuracyPlot({
      document,
      width,
      norm: 'ℓ∞',
      trainingEpsilon: 8 / 255,
      chance: 0.1,
      series: [
        { style: SERIES.standard, points: [0, 1, 2, 8].map((k) => accuracy(k / 255, 0.96 / (1 + k * k))) },
        { style: SERIES.robust, points: [0, 1, 2, 8].map((k) => accuracy(k / 255, 0.9 - 0.04 * k)) },
      ],
    }),
  curve: (width) =>
    curvePlot({
      document,
      width,
      title: 'Training loss',
      xLabel: 'epoch',
      yKind: 'value',
      series: {
        standard: [1, 2, 3].map((x) => ({ x, y: 2 / x })),
        robust: [1, 2, 3].map((x) => ({ x, y: 2.3 - x / 4 })),
      },
    }),
  interval: (width) =>
    intervalPlot({
      document,
      width,
      title: 'Relevance mass',
      reference: { value: 0.25, label: 'blind' },
      rows: (['standard', 'robust'] satisfies ModelName[]).flatMap((model, i) =>
        ['Gradient', 'SmoothGrad'].map((name) => ({
          name,
          model,
          value: 0.3 + 0.3 * i,
          lower: 0.25 + 0.3 * i,
          upper: 0.4 + 0.3 * i,
        })),
      ),
    }),
};

it.each(Object.keys(plots))('draws the %s plot as before', async (name) => {
  const drawn = plots[name]!(480);
  // One element a line, so that a change reads as a change.
  await expect(`${drawn.replaceAll('><', '>\n<')}\n`).toMatchFileSnapshot(`./testing/golden/${name}.svg`);
});

it.each(Object.keys(plots))('draws the %s plot the same twice, without ids, scripts or fixed colours', (name) => {
  const drawn = plots[name]!(480);
  expect(plots[name]!(480)).toBe(drawn);
  expect(drawn).not.toMatch(/\sid=|<script|<style|NaN|undefined|#[0-9a-f]{6}/);
  expect(drawn).toContain('var(--robust)');
});

it.each([
  ['a single ε', [0]],
  ['crowded ε', [0, 0.001, 0.002, 0.003, 0.5]],
])('draws %s', (_, epsilons) => {
  const points = epsilons.map((epsilon) => accuracy(epsilon, 0.5));
  const drawn = accuracyPlot({ document, width: 360, norm: 'ℓ2', series: [{ style: SERIES.robust, points }] });
  expect(drawn).not.toContain('NaN');
  expect(drawn).toContain(`>${epsilons.at(-1)}</text>`);
});

it('draws curves that have no points, or one', () => {
  const draw = (points: { x: number; y: number }[]) =>
    curvePlot({
      document,
      width: 300,
      title: 't',
      xLabel: 'step',
      yKind: 'share',
      series: { standard: points, robust: [] },
    });
  expect(draw([])).not.toContain('NaN');
  expect(draw([{ x: 1, y: 0.5 }])).not.toContain('NaN');
});
