import type { ReportContext } from '../context.ts';
import { type Html, html } from '../html.ts';

export function protocolSection({ result }: ReportContext): Html {
  return html`<h2>Protocol and versions</h2>
<p>Everything needed to run this again. The same settings and seed on the same device give the same numbers.</p>
${factList([...result.protocol, ...Object.entries(result.versions).map(([name, value]) => ({ name, value }))])}
<footer>Written by Tempered. Every number in this page is also in the run folder: settings and hashes in manifest.json, tables as CSV, models as ONNX.</footer>`;
}

/** Names and values below each other. */
export const factList = (facts: readonly { readonly name: string; readonly value: string }[]): Html =>
  html`<dl class="facts">${facts.map(({ name, value }) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>`;
