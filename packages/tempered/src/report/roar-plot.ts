/** @file The figures of ROAR and KAR: scores against a number of the models, and accuracies against what was removed. */
import * as Plot from '@observablehq/plot';
import type { Mode } from '../evaluation/roar/bands.ts';
import { figure } from './format.ts';
import { drawPlot, horizontalRules, type PlotSpace, percentTick } from './plot.ts';
import { AXIS_LABELS, correlation, seriesLabel } from './roar-format.ts';
import type { ProtocolResult, RoarAxis, RoarMethod, RoarNorm, RoarSeries } from './roar-result.ts';

const COLORS: Readonly<Record<RoarNorm, string>> = { l2: 'var(--l2)', linf: 'var(--linf)' };
/** Hollow circles and dashes for Saliency, full squares for Grad*Input: told apart without colour too. */
const MARKS = {
  saliency: { symbol: 'circle', dash: '5 3', fill: 'var(--paper)' },
  'gradient-times-input': { symbol: 'square2', dash: 'none', fill: undefined },
} as const satisfies Record<RoarMethod, object>;

export interface ScorePlotOptions extends PlotSpace {
  readonly mode: Mode;
  readonly against: RoarAxis;
  /** Those of one protocol, mode, loss and axis. */
  readonly series: readonly RoarSeries[];
  /** Where the intervals of the scores are. */
  readonly scores: ProtocolResult['scores'];
  /** Under the title, for a figure without a caption. */
  readonly note?: string;
  /** Of the scores. Default: what they need. */
  readonly limits?: readonly [number, number];
}

/** Scores against strength or accuracy, with a straight line and the correlations of each series; 3 to 2, as SVG text. */
export function scorePlot({ mode, against, series, scores, note, limits, ...space }: ScorePlotOptions): string {
  const name = mode.toUpperCase();
  const isShare = against !== 'strength';
  const points = series.map((each) =>
    each.models.map((model, i) => {
      const found = scores.find((one) => one.mode === mode && one.method === each.method && one.model === model);
      return { x: each.x[i]!, y: each.y[i]!, lower: found?.lower ?? each.y[i]!, upper: found?.upper ?? each.y[i]! };
    }),
  );
  return drawPlot(space, `${name} score against ${AXIS_LABELS[against]}`, {
    height: Math.round((space.width * 2) / 3),
    marginLeft: 56,
    marginRight: 16,
    marginTop: 58,
    marginBottom: 42,
    x: { insetLeft: 8, insetRight: 8, ...(isShare && { nice: true }) },
    y: limits ? { domain: limits, clamp: true } : { nice: true },
    marks: [
      horizontalRules(6),
      Plot.ruleY([0], { stroke: 'var(--faint)', strokeDasharray: '2 3' }),
      Plot.axisY({ ticks: 6, tickFormat: axisTick, tickSize: 0, label: null }),
      Plot.axisX({
        ticks: 6,
        tickSize: 4,
        tickFormat: isShare ? percentTick : axisTick,
        label: AXIS_LABELS[against],
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 36,
      }),
      title(`${name} score`, -48, -50),
      note === undefined
        ? null
        : Plot.text([note], { frameAnchor: 'top-left', dx: -48, dy: -34, fill: 'var(--quiet)', fontSize: 11 }),
      ...series.flatMap((each, i) => {
        const color = COLORS[each.norm];
        const { symbol, dash, fill = color } = MARKS[each.method];
        return [
          lineOf(each, { stroke: color, strokeDasharray: dash }),
          Plot.ruleX(points[i]!, {
            x: 'x',
            y1: 'lower',
            y2: 'upper',
            stroke: color,
            strokeWidth: 1.5,
            strokeOpacity: 0.5,
          }),
          Plot.dot(points[i]!, { x: 'x', y: 'y', stroke: color, strokeWidth: 1.5, fill, symbol, r: 3.5 }),
          ...key(each, i, note === undefined ? 44 : 76),
        ];
      }),
    ],
  });
}

/** With the minus sign of the other numbers. */
const axisTick = (value: number): string => figure(value).replaceAll('-', '−');

const title = (text: string, dx: number, dy: number): Plot.Markish =>
  Plot.text([text], { frameAnchor: 'top-left', dx, dy, fill: 'var(--ink)', fontWeight: 600, fontSize: 12 });

/** The line of least squares over the range of x. */
function lineOf({ x, slope, intercept }: RoarSeries, style: Plot.LineOptions): Plot.Markish {
  if (slope === null || intercept === null) return null;
  const ends = [Math.min(...x), Math.max(...x)];
  return Plot.line(ends, {
    x: (at: number) => at,
    y: (at: number) => intercept + slope * at,
    strokeWidth: 1.25,
    ...style,
  });
}

/** Mark, name and correlations of a series, two to a row over the plot. */
function key(series: RoarSeries, place: number, left: number): Plot.Markish[] {
  const color = COLORS[series.norm];
  const { symbol, fill = color } = MARKS[series.method];
  const dx = left + (place % 2) * 170;
  const dy = -46 + Math.floor(place / 2) * 17;
  const text = `${seriesLabel(series)}  ${correlation(series.pearson)} / ${correlation(series.spearman)}`;
  return [
    Plot.dot([0], { frameAnchor: 'top-left', dx, dy: dy + 5, stroke: color, strokeWidth: 1.5, fill, symbol, r: 3.5 }),
    Plot.text([text], { frameAnchor: 'top-left', dx: dx + 9, dy, fill: color, fontSize: 11 }),
  ];
}

export interface AccuracyCurve {
  readonly label: string;
  readonly color: string;
  readonly dash: string;
  readonly symbol: 'circle' | 'square2' | 'triangle' | 'diamond2';
  /** Share of the pixels, and accuracy; mean and extremes over the repetitions. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly low: number; readonly high: number }[];
}

export interface AccuracyCurvesOptions extends PlotSpace {
  readonly mode: Mode;
  readonly curves: readonly AccuracyCurve[];
}

/** Accuracy of retrained networks against the share of the pixels that is removed or kept; 3 to 2, as SVG text. */
export function accuracyCurves({ mode, curves, ...space }: AccuracyCurvesOptions): string {
  const label = mode === 'roar' ? 'share of the pixels removed' : 'share of the pixels kept';
  return drawPlot(space, `Accuracy of retrained networks against the ${label}`, {
    height: Math.round((space.width * 2) / 3),
    marginLeft: 46,
    marginRight: 16,
    marginTop: 58,
    marginBottom: 42,
    x: { domain: [0, 1], insetLeft: 6, insetRight: 6 },
    y: { domain: [0, 1] },
    marks: [
      horizontalRules([0, 0.25, 0.5, 0.75, 1]),
      Plot.axisY({ ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: percentTick, tickSize: 0, label: null }),
      Plot.axisX([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1], {
        tickFormat: percentTick,
        tickSize: 4,
        label,
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 36,
      }),
      title(mode.toUpperCase(), -38, -50),
      ...curves.flatMap(({ label: name, color, dash, symbol, points }, i) => {
        const [dx, dy] = [44 + (i % 2) * 170, -46 + Math.floor(i / 2) * 17];
        return [
          Plot.areaY(points, { x: 'x', y1: 'low', y2: 'high', fill: color, fillOpacity: 0.15 }),
          Plot.line(points, { x: 'x', y: 'y', stroke: color, strokeWidth: 1.75, strokeDasharray: dash }),
          Plot.dot(points, { x: 'x', y: 'y', fill: color, symbol, r: 3 }),
          Plot.dot([0], { frameAnchor: 'top-left', dx, dy: dy + 5, fill: color, symbol, r: 3.5 }),
          Plot.text([name], { frameAnchor: 'top-left', dx: dx + 9, dy, fill: color, fontSize: 11 }),
        ];
      }),
    ],
  });
}

/** Colours of a page in light, for files that no page surrounds. */
const LIGHT =
  '--paper: #fffefc; --ink: #1f2226; --quiet: #5d636b; --faint: #9aa0a8; --rule: #e4e4e0; --l2: #2b5fb0; --linf: #a85a10;';

/** A drawn plot as a file of its own, 6 by 4 inches. */
export function figureFile(svg: string): string {
  const style = `<style>svg { ${LIGHT} background: #fffefc; color: var(--quiet); font: 12px sans-serif; } text { white-space: pre; }</style>`;
  const [, attributes = '', content = ''] = /^<svg([^>]*)>(.*)$/s.exec(svg) ?? [];
  const unsized = attributes.replace(/ (width|height|xmlns)="[^"]*"/g, '');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="6in" height="4in"${unsized}>${style}${content}\n`;
}
