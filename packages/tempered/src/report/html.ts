/** @file HTML in which whatever is put in is text unless it says otherwise. */

/** Markup that is safe to put in a page as it is. */
export interface Html {
  readonly markup: string;
}

export type HtmlValue = string | number | Html | readonly HtmlValue[] | false | null | undefined;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);

/** Declares a string to be markup. Only for what this package made itself. */
export const markup = (text: string): Html => ({ markup: text });

function render(value: HtmlValue): string {
  if (value === false || value === null || value === undefined) return '';
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return 'markup' in value ? value.markup : value.map(render).join('');
}

/**
 * Template tag: values are escaped, nested templates and lists are not, `false`, `null` and `undefined` vanish.
 *
 * @example html`<p>${'1 < 2'}</p>`.markup // '<p>1 &lt; 2</p>'
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return { markup: strings.map((part, i) => part + (i < values.length ? render(values[i]) : '')).join('') };
}
