/** @file Tables of numbers: digits of one width, decimals below each other, intervals beside their values. */

import { type Html, type HtmlValue, html } from './html.ts';

export interface Column {
  readonly heading: HtmlValue;
  /** `text` is set from the left, `number` from the right; `interval` from the right and quietly. Default `number`. */
  readonly kind?: 'text' | 'number' | 'interval';
}

export interface TableOptions {
  readonly columns: readonly Column[];
  /** The first cell of a row is its heading; a row of one cell is a heading over the rows below it. */
  readonly rows: readonly (readonly HtmlValue[])[];
  readonly caption: Html;
  readonly number: number;
  /** Wider than the text. Default false. */
  readonly isWide?: boolean;
}

/** A numbered table that scrolls by itself when the page is too narrow for it. */
export function dataTable({ columns, rows, caption, number, isWide = false }: TableOptions): Html {
  const headings = columns.map(({ heading, kind = 'number' }) => html`<th scope="col" class="${kind}">${heading}</th>`);
  const cell = (value: HtmlValue, i: number) => {
    const kind = columns[i]?.kind ?? 'number';
    return i === 0 ? html`<th scope="row" class="${kind}">${value}</th>` : html`<td class="${kind}">${value}</td>`;
  };
  const group = (value: HtmlValue) =>
    html`<th scope="rowgroup" colspan="${columns.length}" class="text group">${value}</th>`;
  return html`<figure class="table${isWide && ' wide'}">
<figcaption><span class="label">Table ${number}</span> ${caption}</figcaption>
<div class="scroll"><table>
<thead><tr>${headings}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.length === 1 ? group(row[0]!) : row.map(cell)}</tr>\n`)}</tbody>
</table></div>
</figure>`;
}
