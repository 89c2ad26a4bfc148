import * as Plot from '@observablehq/plot';
import { figure } from './format.ts';
import { drawPlot, horizontalRules, type PlotSpace, percentTick, SERIES } from './plot.ts';
import { MODEL_NAMES, type ModelName } from './study-result.ts';

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
}

export interface CurvePlotOptions extends PlotSpace {
  readonly title: string;
  /** What is counted along the axis: "epoch", "step". */
  readonly xLabel: string;
  /** `share` is drawn from 0 to 100 %. */
  readonly yKind: 'share' | 'value';
  readonly series: Readonly<Record<ModelName, readonly CurvePoint[]>>;
}

/** One quantity over time for both models, made to stand in a row of such plots, as SVG text. */
export function curvePlot({ title, xLabel, yKind, series, ...space }: CurvePlotOptions): string {
  const points = MODEL_NAMES.flatMap((model) => series[model]);
  const x = extent(points.map((point) => point.x));
  const isShare = yKind === 'share';
  const shareTicks = [0, 0.25, 0.5, 0.75, 1];
  return drawPlot(space, `${title} by ${xLabel}`, {
    height: 210,
    marginLeft: 44,
    marginRight: 10,
    marginTop: 30,
    marginBottom: 38,
    x: { domain: x, insetLeft: 5, insetRight: 5 },
    y: isShare ? { domain: [0, 1] } : { nice: true, zero: points.every((point) => point.y >= 0) },
    marks: [
      horizontalRules(isShare ? shareTicks : 5),
      Plot.axisY({
        ...(isShare ? { ticks: shareTicks } : { ticks: 5 }),
        tickFormat: isShare ? percentTick : figure,
        tickSize: 0,
        label: null,
      }),
      Plot.axisX(wholeTicks(x), {
        tickSize: 4,
        tickFormat: String,
        label: xLabel,
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 34,
      }),
      Plot.text([title], {
        frameAnchor: 'top-left',
        dx: -36,
        dy: -24,
        fill: 'var(--ink)',
        fontWeight: 600,
        fontSize: 12,
      }),
      ...MODEL_NAMES.flatMap((model) => {
        const { color, dash, symbol } = SERIES[model];
        const isSparse = series[model].length <= 12;
        return [
          Plot.lineY(series[model], { x: 'x', y: 'y', stroke: color, strokeWidth: 1.75, strokeDasharray: dash }),
          isSparse ? Plot.dot(series[model], { x: 'x', y: 'y', fill: color, symbol, r: 2.5 }) : null,
        ];
      }),
    ],
  });
}

function extent(values: readonly number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** At most six round numbers: there is no half epoch or step. */
function wholeTicks([low, high]: readonly [number, number]): number[] {
  const candidates = [1, 10, 100, 1000, 10_000].flatMap((power) => [power, 2 * power, 5 * power]);
  const step = candidates.find((size) => (high - low) / size <= 5) ?? high - low;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}
