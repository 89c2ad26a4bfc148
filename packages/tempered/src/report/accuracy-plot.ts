import * as Plot from '@observablehq/plot';
import { epsilonScale } from './format.ts';
import { drawPlot, horizontalRules, type PlotSpace, percentTick, type SeriesStyle } from './plot.ts';
import type { AccuracyAtEpsilon } from './study-result.ts';

export interface AccuracyPlotOptions extends PlotSpace {
  readonly series: readonly { readonly style: SeriesStyle; readonly points: readonly AccuracyAtEpsilon[] }[];
  /** Marked by a vertical rule. */
  readonly trainingEpsilon?: number;
  /** Accuracy of guessing, marked by a horizontal rule. */
  readonly chance?: number;
  /** How the axis names the norm: "ℓ∞". */
  readonly norm: string;
  /** `'root'` gives small ε more room: for radii that double. Default `'linear'`. */
  readonly scale?: 'linear' | 'root';
}

/** Accuracy against ε with the 95 % interval as a band around each line, as SVG text. */
export function accuracyPlot(options: AccuracyPlotOptions): string {
  const { series, trainingEpsilon, chance, norm, scale = 'linear', ...space } = options;
  const epsilons = [...new Set(series.flatMap(({ points }) => points.map((point) => point.epsilon)))].sort(
    (a, b) => a - b,
  );
  const largest = epsilons.at(-1) ?? 0;
  const { unit, label } = epsilonScale(epsilons);
  const unitNote = unit ? `, in units of ${unit}` : '';
  return drawPlot(space, 'Accuracy under attack against the size of the perturbation', {
    height: Math.round(Math.min(360, Math.max(250, space.width * 0.52))),
    marginLeft: 42,
    marginRight: 14,
    marginTop: 24,
    marginBottom: 42,
    x: { domain: [0, largest], insetLeft: 6, insetRight: 6, ...(scale === 'root' && { type: 'sqrt' }) },
    y: { domain: [0, 1] },
    marks: [
      horizontalRules([0, 0.25, 0.5, 0.75, 1]),
      Plot.axisY({ ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: percentTick, tickSize: 0, label: null }),
      Plot.axisX(apart(epsilons, scale, space.width), {
        tickFormat: label,
        tickSize: 4,
        label: `size of the perturbation ε (${norm}${unitNote})`,
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 36,
      }),
      trainingEpsilon !== undefined && trainingEpsilon <= largest
        ? verticalNote(trainingEpsilon, trainingEpsilon > 0.6 * largest, 'training ε')
        : null,
      chance === undefined ? null : horizontalNote(chance, largest, 'chance'),
      ...series.flatMap(({ style: { color, symbol, dash }, points }) => {
        return [
          Plot.areaY(points, { x: 'epsilon', y1: 'lower', y2: 'upper', fill: color, fillOpacity: 0.16 }),
          Plot.lineY(points, { x: 'epsilon', y: 'accuracy', stroke: color, strokeWidth: 2, strokeDasharray: dash }),
          Plot.dot(points, { x: 'epsilon', y: 'accuracy', fill: color, symbol, r: 4 }),
        ];
      }),
    ],
  });
}

const verticalNote = (x: number, isLate: boolean, text: string): Plot.Markish[] => [
  Plot.ruleX([x], { stroke: 'var(--faint)', strokeDasharray: '2 3' }),
  Plot.text([x], {
    x: (value: number) => value,
    text: () => text,
    frameAnchor: isLate ? 'top-right' : 'top-left',
    textAnchor: isLate ? 'end' : 'start',
    dx: isLate ? -5 : 5,
    dy: -14,
    fill: 'var(--quiet)',
  }),
];

const horizontalNote = (y: number, right: number, text: string): Plot.Markish[] => [
  Plot.ruleY([y], { stroke: 'var(--faint)', strokeDasharray: '2 3' }),
  Plot.text([y], {
    x: () => right,
    y: (value: number) => value,
    text: () => text,
    textAnchor: 'end',
    dy: -8,
    fill: 'var(--quiet)',
    stroke: 'var(--paper)',
    strokeWidth: 4,
  }),
];

/** The values that leave room for their labels; the last one always stays. */
function apart(values: readonly number[], scale: 'linear' | 'root', width: number): number[] {
  const at = scale === 'root' ? Math.sqrt : (value: number) => value;
  const last = at(values.at(-1) ?? 0);
  const gap = (26 / Math.max(1, width - 70)) * last;
  return values.filter((value, i) => {
    const isLast = i === values.length - 1;
    const previous = values.slice(0, i).findLast((earlier) => at(value) - at(earlier) < gap);
    return isLast || (previous === undefined && last - at(value) >= gap);
  });
}
