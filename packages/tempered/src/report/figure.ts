/** @file Numbered figures, the key to the models, and plots for wide and for narrow pages. */

import { type Html, html, markup } from './html.ts';
import { type PlotSpace, SERIES } from './plot.ts';
import { MODEL_NAMES, type ModelName } from './study-result.ts';

/** Hands out the numbers of figures and tables in the order of asking. */
export interface Numbering {
  figure(): number;
  table(): number;
}

export function createNumbering(): Numbering {
  let figures = 0;
  let tables = 0;
  return { figure: () => ++figures, table: () => ++tables };
}

export interface FigureOptions {
  readonly number: number;
  readonly content: Html;
  /** What to see in it. */
  readonly caption: Html;
  /** Wider than the text. Default false. */
  readonly isWide?: boolean;
}

export function figureOf({ number, content, caption, isWide = false }: FigureOptions): Html {
  return html`<figure${isWide && markup(' class="wide"')}>
${content}
<figcaption><span class="label">Figure ${number}</span> ${caption}</figcaption>
</figure>`;
}

/** A model's name in its colour. */
export const modelName = (model: ModelName): Html => html`<span class="${model}">${SERIES[model].label}</span>`;

/** Which line is which model. */
export function modelKey(): Html {
  return html`<div class="key">${MODEL_NAMES.map((model) => {
    const { color, dash, label, symbol } = SERIES[model];
    const line = dash === 'none' ? '' : ` stroke-dasharray="${dash}"`;
    const mark =
      symbol === 'circle' ? '<circle cx="17" cy="6" r="4"/>' : '<rect x="13.5" y="2.5" width="7" height="7"/>';
    return html`<span>${markup(
      `<svg viewBox="0 0 34 12" aria-hidden="true" fill="${color}"><path d="M0 6h34" stroke="${color}" stroke-width="2"${line}/>${mark}</svg>`,
    )}${label} model</span>`;
  })}</div>`;
}

type Draw = (space: PlotSpace) => string;

/** The same plot drawn for wide and narrow pages, so that its text stays legible on both. */
export function plotPair(draw: Draw, document: Document, wide = 680): Html {
  const narrow = 360;
  return html`<div class="for-wide">${markup(draw({ document, width: wide }))}</div><div class="for-narrow">${markup(draw({ document, width: narrow }))}</div>`;
}

/** Plots side by side across a wide figure, below each other on narrow pages. */
export function plotRow(draws: readonly Draw[], document: Document): Html {
  const isThree = draws.length > 2;
  return html`<div class="plots${!isThree && ' two'}">${draws.map(
    (draw) => html`<div>${plotPair(draw, document, isThree ? 334 : 460)}</div>`,
  )}</div>`;
}
