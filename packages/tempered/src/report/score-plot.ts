import * as Plot from '@observablehq/plot';
import { figure } from './format.ts';
import { type Html, html, markup } from './html.ts';
import { drawPlot, type PlotSpace } from './plot.ts';

/** One colour and symbol a model, in the order of the models; after the last they begin again. */
const MARKS = [
  { color: 'var(--standard)', symbol: 'circle' },
  { color: 'var(--robust)', symbol: 'square' },
  { color: 'var(--ink)', symbol: 'triangle' },
  { color: 'var(--quiet)', symbol: 'diamond' },
  { color: 'var(--wrong)', symbol: 'star' },
  { color: 'var(--faint)', symbol: 'cross' },
] as const;

const markOf = (index: number) => MARKS[index % MARKS.length]!;

export interface ScorePoint {
  readonly method: string;
  /** Number of the model. */
  readonly model: number;
  readonly value: number;
  readonly lower?: number;
  readonly upper?: number;
}

export interface ScorePlotOptions extends PlotSpace {
  /** What the axis shows: "deletion, lower is better". */
  readonly title: string;
  readonly methods: readonly string[];
  readonly models: number;
  readonly points: readonly ScorePoint[];
}

const ROW = 16;

/** One row a method, one dot with its interval a model, as SVG text. */
export function scorePlot({ title, methods, models, points, ...space }: ScorePlotOptions): string {
  const longest = Math.max(...methods.map((method) => method.length));
  const offset = (model: number) => (model - (models - 1) / 2) * Math.min(0.26, 0.7 / models);
  const y = (point: ScorePoint) => methods.indexOf(point.method) + offset(point.model);
  return drawPlot(space, title, {
    height: 58 + methods.length * Math.max(26, ROW * models),
    marginLeft: Math.min(space.width / 2, 16 + 7 * longest),
    marginRight: 16,
    marginTop: 34,
    marginBottom: 24,
    x: { nice: true, insetLeft: 6, insetRight: 6 },
    y: { domain: [methods.length - 0.5, -0.5] },
    marks: [
      Plot.gridX({ stroke: 'var(--rule)', strokeOpacity: 1, ticks: 6 }),
      Plot.axisX({ ticks: 6, tickFormat: figure, tickSize: 0, label: null }),
      Plot.axisY(
        methods.map((_, i) => i),
        { tickFormat: (i: number) => methods[i] ?? '', tickSize: 0, label: null },
      ),
      Plot.text([title], { frameAnchor: 'top-left', dy: -28, fill: 'var(--ink)', fontWeight: 600, fontSize: 12 }),
      ...Array.from({ length: models }, (_, model) => {
        const { color, symbol } = markOf(model);
        const own = points.filter((point) => point.model === model);
        const spread = own.filter(({ lower, upper }) => lower !== undefined && upper !== undefined);
        return [
          Plot.ruleY(spread, { x1: 'lower', x2: 'upper', y, stroke: color, strokeWidth: 2.5, strokeOpacity: 0.55 }),
          Plot.dot(own, { x: 'value', y, fill: color, symbol, r: 4 }),
        ];
      }),
    ],
  });
}

const SHAPES: Readonly<Record<(typeof MARKS)[number]['symbol'], string>> = {
  circle: '<circle cx="6" cy="6" r="4"/>',
  square: '<rect x="2.5" y="2.5" width="7" height="7"/>',
  triangle: '<path d="M6 1.5l4.5 8h-9z"/>',
  diamond: '<path d="M6 1l4 5-4 5-4-5z"/>',
  star: '<path d="M6 1l1.3 3.2 3.5.3-2.7 2.2.9 3.4L6 8.3l-3 1.8.9-3.4L1.2 4.5l3.5-.3z"/>',
  cross: '<path d="M4.5 1.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z"/>',
};

/** Which mark is which model. */
export const scoreKey = (models: readonly string[]): Html =>
  html`<div class="key">${models.map((name, i) => {
    const { color, symbol } = markOf(i);
    const mark = markup(`<svg viewBox="0 0 12 12" aria-hidden="true" fill="${color}">${SHAPES[symbol]}</svg>`);
    return html`<span>${mark}${name}</span>`;
  })}</div>`;
