import { type Html, html, markup } from './html.ts';
import { STYLE } from './style.ts';

/**
 * A whole HTML file that needs nothing beside it: no scripts, no fonts, no network.
 *
 * @param body children of the page's grid; those of class `wide` are wider than the text
 */
export function renderPage({ title, body }: { title: string; body: Html }): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Tempered">
<title>${title}</title>
<style>${markup(STYLE)}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`.markup;
}
