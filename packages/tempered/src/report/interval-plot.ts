import * as Plot from '@observablehq/plot';
import { drawPlot, type PlotSpace, percentTick, SERIES } from './plot.ts';
import { MODEL_NAMES, type ModelName } from './study-result.ts';

export interface IntervalRow {
  readonly name: string;
  readonly model: ModelName;
  /** All three in [0, 1]. */
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

export interface IntervalPlotOptions extends PlotSpace {
  readonly title: string;
  readonly rows: readonly IntervalRow[];
  /** A value to compare with, marked by a vertical rule: what a blind guess would reach. */
  readonly reference?: { readonly value: number; readonly label: string };
}

/** Shares with their intervals: one row a name, the models one above the other in it, as SVG text. */
export function intervalPlot({ title, rows, reference, ...space }: IntervalPlotOptions): string {
  const names = [...new Set(rows.map((row) => row.name))];
  const at = (name: string, model: ModelName) => names.indexOf(name) + (model === 'standard' ? -0.14 : 0.14);
  return drawPlot(space, title, {
    height: 74 + 46 * names.length,
    marginLeft: 136,
    marginRight: 16,
    marginTop: 46,
    marginBottom: 26,
    x: { domain: [0, 1] },
    y: { domain: [names.length - 0.5, -0.5] },
    marks: [
      Plot.gridX([0, 0.25, 0.5, 0.75, 1], { stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.axisX({ ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: percentTick, tickSize: 0, label: null }),
      Plot.axisY(
        names.map((_, i) => i),
        { tickFormat: (i: number) => names[i] ?? '', tickSize: 0, label: null },
      ),
      Plot.text([title], {
        frameAnchor: 'top-left',
        dx: -130,
        dy: -40,
        fill: 'var(--ink)',
        fontWeight: 600,
        fontSize: 12,
      }),
      reference
        ? [
            Plot.ruleX([reference.value], { stroke: 'var(--faint)', strokeDasharray: '2 3' }),
            Plot.text([reference.value], {
              x: (value: number) => value,
              text: () => reference.label,
              frameAnchor: 'top',
              dy: -16,
              fill: 'var(--quiet)',
            }),
          ]
        : null,
      ...MODEL_NAMES.flatMap((model) => {
        const { color, symbol } = SERIES[model];
        const own = rows.filter((row) => row.model === model);
        const y = (row: IntervalRow) => at(row.name, model);
        return [
          Plot.ruleY(own, { x1: 'lower', x2: 'upper', y, stroke: color, strokeWidth: 2.5, strokeOpacity: 0.55 }),
          Plot.dot(own, { x: 'value', y, fill: color, symbol, r: 4 }),
        ];
      }),
    ],
  });
}
