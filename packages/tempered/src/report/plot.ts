/** @file What all plots share: colours, marks and measures, so that a model looks the same in every figure. */

import * as Plot from '@observablehq/plot';
import type { ModelName } from './study-result.ts';

/** Colours are CSS variables of the page, so that plots follow its light and dark themes. */
export interface SeriesStyle {
  readonly label: string;
  readonly color: string;
  /** Told apart without colour too. */
  readonly symbol: 'circle' | 'square2' | 'square';
  readonly dash: string;
}

export const SERIES: Readonly<Record<ModelName, SeriesStyle>> = {
  standard: { label: 'standard', color: 'var(--standard)', symbol: 'circle', dash: '4 3' },
  robust: { label: 'robust', color: 'var(--robust)', symbol: 'square', dash: 'none' },
};

export interface PlotSpace {
  /** Creates the SVG elements: the browser's, or jsdom's in Node. */
  readonly document: Document;
  /** Width in CSS pixels at which the text has its nominal size. */
  readonly width: number;
}

/** Draws a plot to SVG text. Class names are fixed, so the same figures give the same text. */
export function drawPlot({ document, width }: PlotSpace, label: string, options: Plot.PlotOptions): string {
  const drawn = Plot.plot({ document, width, className: 'plot', style: { overflow: 'visible' }, ...options });
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', label);
  // Colours and fonts are the page's; the style sheet that comes with each plot would only repeat itself.
  for (const style of drawn.querySelectorAll('style')) style.remove();
  return drawn.outerHTML;
}

/** A quiet frame, horizontal rules and no box: at these values, or at about as many as asked for. */
export const horizontalRules = (ticks: number | readonly number[]): Plot.Markish => {
  const style = { stroke: 'var(--rule)', strokeOpacity: 1 };
  return typeof ticks === 'number' ? Plot.gridY({ ...style, ticks }) : Plot.gridY(ticks, style);
};

/** Percentages on an axis: 0.5 → "50%". */
export const percentTick = (value: number): string => `${Math.round(100 * value)}%`;
