/** @file The table of supported operators, as Markdown. */
import { NEWEST_OPSET, OLDEST_OPSET, type OperatorSupport, supportedOperators } from './support.ts';

type Provider = 'cpu' | 'wasm' | 'webgpu';

/** What `scripts/measure-providers.js` measures, as far as the table shows it. */
export interface Providers {
  readonly providers: Readonly<Record<Provider, string>>;
  readonly operators: Readonly<
    Record<
      string,
      Readonly<Record<Provider, string>> & {
        readonly exceptions?: Readonly<Partial<Record<Provider, readonly string[]>>>;
      }
    >
  >;
}

const HEADINGS: Readonly<Record<Provider, string>> = { cpu: 'CPU', wasm: 'wasm', webgpu: 'WebGPU' };
const ORDERS: Readonly<Record<OperatorSupport['gradient'], readonly [string, string]>> = {
  differentiable: ['yes', 'yes'],
  zero: ['zero', 'zero'],
  removed: ['rewritten', 'rewritten'],
  none: ['no', 'no'],
};

/** @param providers the measured columns; "not measured" when left out */
export function supportTable(providers?: Providers): string {
  const columns = Object.keys(HEADINGS) as Provider[];
  const rows = supportedOperators().map((operator) => {
    const { domain, name, sinceVersions, gradient } = operator;
    // What specialisation rewrites never reaches a provider.
    const measured = columns.map((provider) => (gradient === 'removed' ? '—' : cell(providers, name, provider)));
    return [domain === '' ? name : `${domain}: ${name}`, sinceVersions.join(', '), ...ORDERS[gradient], ...measured];
  });
  const heading = ['Operator', 'Since version', 'First order', 'Second order', ...columns.map((c) => HEADINGS[c])];
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const lines = [heading, widths.map((width) => '-'.repeat(width)), ...rows].map(
    (cells) => `| ${cells.map((text, i) => text.padEnd(widths[i]!)).join(' | ')} |`,
  );
  return `${introduction(providers)}\n${lines.join('\n')}\n`;
}

function cell(providers: Providers | undefined, operator: string, provider: Provider): string {
  const row = providers?.operators[operator];
  if (row === undefined) return 'not measured';
  const exceptions = row.exceptions?.[provider];
  return exceptions === undefined ? row[provider] : `${row[provider]}, except ${exceptions.join(', ')}`;
}

function introduction(providers: Providers | undefined): string {
  const measured =
    providers === undefined
      ? 'The columns of the providers have not been measured.'
      : `Measured with ${Object.values(providers.providers).join('; ')}.`;
  return `<!-- Made by scripts/support-table.js; do not edit. -->
# Supported operators

Models of operator sets ${OLDEST_OPSET} to ${NEWEST_OPSET} are read; "since version" lists the versions of an operator among them.

- First and second order: "yes", the gradient is exact and can itself be differentiated; "zero", the gradient is zero
  wherever it exists; "rewritten", the operator vanishes or is written with others that have a gradient; "no", it is
  computed only. \`If\` needs a condition that does not depend on the data; \`Loop\` and \`Scan\` are not supported.
- CPU, wasm, WebGPU: whether ONNX Runtime computes the operator on that provider as the double-precision reference does.
  ${measured}
`;
}
