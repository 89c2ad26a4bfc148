/** @file Rows and columns of small pictures with headings and figures beside them. */

import type { Outline } from '../image/mask-outline.ts';
import { type Html, type HtmlValue, html } from './html.ts';
import type { Picture } from './study-result.ts';

export interface GridCell {
  readonly picture: Picture;
  /** What the picture shows, for those who do not see it. */
  readonly alt: string;
  /** Repeated above the picture where the page is too narrow for column headings. */
  readonly heading: string;
  readonly caption?: HtmlValue;
  readonly outline?: Outline;
}

export interface GridRow {
  readonly heading: HtmlValue;
  readonly cells: readonly GridCell[];
}

/** A picture enlarged without smoothing, with an outline over it if there is one. */
export function pictureOf({ picture, alt, outline }: Pick<GridCell, 'picture' | 'alt' | 'outline'>): Html {
  const border =
    outline &&
    html`<svg viewBox="0 0 ${outline.width} ${outline.height}" aria-hidden="true"><path d="${outline.path}"/></svg>`;
  return html`<span class="picture"><img src="${picture}" alt="${alt}">${border}</span>`;
}

/** One row a model: headings on the left and above, captions below each picture. */
export function imageGrid(rows: readonly GridRow[]): Html {
  const headings = rows[0]?.cells.map((cell) => cell.heading) ?? [];
  return html`<div class="grid" style="--columns: ${headings.length}">
<div class="grid-head" aria-hidden="true"><span></span>${headings.map((heading) => html`<span>${heading}</span>`)}</div>
${rows.map(
  (row) => html`<div class="grid-row"><div class="grid-name">${row.heading}</div>
${row.cells.map(
  (
    cell,
  ) => html`<div class="cell"><div class="cell-head">${cell.heading}</div>${pictureOf(cell)}<div class="cell-note">${cell.caption}</div></div>
`,
)}</div>
`,
)}</div>`;
}
