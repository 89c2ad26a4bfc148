/** @file Rows and columns of pictures with headings, captions and colour bars, as one SVG file that needs no other. */
import type { Bitmap } from '../image/bitmap.ts';
import { upscale } from '../image/bitmap.ts';
import type { Colormap } from '../image/colormap.ts';
import { renderColorbar } from '../image/render.ts';
import { dataUri } from './data-uri.ts';
import { escapeHtml } from './html.ts';

export interface Caption {
  readonly text: string;
  /** What is wrong is set off from what is right. Default: quiet. */
  readonly tone?: 'quiet' | 'strong' | 'wrong';
}

export interface PictureCell {
  readonly picture: Bitmap;
  /** Lines below the picture. */
  readonly captions?: readonly Caption[];
  /** Written across the picture, where there is nothing to see in it. */
  readonly message?: string;
}

export interface PictureRow {
  /** Heading of the rows that begin here. */
  readonly block?: string;
  readonly label: string;
  readonly detail?: string;
  /** A cell for each column. */
  readonly cells: readonly (PictureCell | undefined)[];
}

export interface ColorKey {
  readonly map: Colormap;
  readonly title: string;
  /** What the ends mean, and the middle. */
  readonly low: string;
  readonly middle?: string;
  readonly high: string;
}

export interface PictureTable {
  readonly title: string;
  /** Below the title. */
  readonly lines: readonly string[];
  /** Neighbours of the same group share a heading above their own. */
  readonly columns: readonly { readonly heading: string; readonly group?: string }[];
  readonly rows: readonly PictureRow[];
  readonly keys: readonly ColorKey[];
  /** At the foot. */
  readonly notes: readonly string[];
}

/** Lengths in pixels of the page. */
const MARGIN = 24;
const GAP = 10;
const GROUP_GAP = 16;
/** Small pictures are enlarged by a whole factor to about this width, large ones are made smaller. */
const CELL = 140;
const LARGEST_CELL = 176;
/** Of a row of numbers, drawn as a strip. */
const THINNEST = 14;
/** Column, so that captions fit. */
const NARROWEST = 120;
const LINE = 15;
const FONT = 12;
const TITLE = 18;
const BAR = 240;
/** A bar and the words at its ends. */
const KEY_WIDTH = 300;
const LABEL = 150;
const SMALLEST_PAGE = 480;

const INK = '#1f2226';
const TONES = { quiet: '#5d636b', strong: INK, wrong: '#a3341f' } as const;
const RULE = '#d9d9d5';
const FAMILY = "'Helvetica Neue', 'Liberation Sans', Arial, 'DejaVu Sans', sans-serif";

/**
 * Draws a table of pictures. All pictures have the same size.
 *
 * @param encode turns a picture into the bytes of a PNG file
 * @returns SVG, and its size in pixels
 */
export async function drawPictureTable(
  table: PictureTable,
  encode: (bitmap: Bitmap) => Promise<Uint8Array>,
): Promise<{ svg: string; width: number; height: number }> {
  const cell = cellSize(table);
  const labelWidth = Math.min(LABEL, Math.max(0, ...table.rows.map(labelOf))) + GAP;
  const left = (column: number) =>
    MARGIN + labelWidth + column * (cell.column + GAP) + groupsBefore(table.columns, column) * GROUP_GAP;
  const width = Math.max(SMALLEST_PAGE, left(table.columns.length - 1) + cell.column + MARGIN);
  const inner = width - 2 * MARGIN;
  const parts: string[] = [];
  let y = MARGIN;
  const write = (line: string, style: TextStyle) => {
    parts.push(textAt(MARGIN, y + (style.size ?? FONT), line, style));
    y += Math.round((style.size ?? FONT) * 1.4);
  };
  for (const line of wrapped(table.title, inner, TITLE)) write(line, { size: TITLE, weight: 600, color: INK });
  for (const line of table.lines.flatMap((each) => wrapped(each, inner, FONT))) write(line, { color: TONES.quiet });
  y += 14;
  const headings = columnHeadings(table.columns, cell.column, left);
  parts.push(...headings.draw(y));
  y += headings.height;
  for (const row of table.rows) {
    if (row.block !== undefined) {
      if (row !== table.rows[0]) y += 8;
      parts.push(`<path d="M${MARGIN} ${y + 4}H${width - MARGIN}" stroke="${RULE}"/>`);
      parts.push(textAt(MARGIN, y + 22, fitted(row.block, inner, FONT), { weight: 600, color: INK }));
      y += 32;
    }
    const lines = wrapped(row.label, labelWidth - GAP, FONT);
    lines.forEach((line, i) => {
      parts.push(textAt(MARGIN, y + 13 + i * LINE, line, { weight: 600, color: INK }));
    });
    wrapped(row.detail ?? '', labelWidth - GAP, FONT).forEach((line, i) => {
      parts.push(textAt(MARGIN, y + 13 + (lines.length + i) * LINE, line, { color: TONES.quiet }));
    });
    for (const [column, content] of row.cells.entries())
      if (content) parts.push(await drawCell(content, { x: left(column), y, ...cell }, encode));
    y += cell.height + LINE * Math.max(0, ...row.cells.map((each) => each?.captions?.length ?? 0)) + 14;
  }
  y += 6;
  const across = Math.max(1, Math.floor((inner + GAP) / KEY_WIDTH));
  for (const [i, key] of table.keys.entries()) {
    const top = y + Math.floor(i / across) * 52;
    parts.push(await drawKey(key, { x: MARGIN + (i % across) * KEY_WIDTH, y: top }, encode));
  }
  y += Math.ceil(table.keys.length / across) * 52;
  for (const line of table.notes.flatMap((note) => wrapped(note, inner, FONT))) write(line, { color: TONES.quiet });
  const height = y + MARGIN - 6;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FAMILY}" role="img" aria-label="${escapeHtml(table.title)}">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
  return { svg, width, height };
}

/** How often the group has changed up to a column. */
const groupsBefore = (columns: PictureTable['columns'], column: number): number =>
  columns.slice(1, column + 1).filter(({ group }, i) => group !== columns[i]!.group).length;

interface Size {
  readonly width: number;
  readonly height: number;
  /** Room for the captions, which may be wider than the picture. */
  readonly column: number;
}

function cellSize({ rows }: PictureTable): Size {
  const picture = rows.flatMap(({ cells }) => cells).find((cell) => cell !== undefined)?.picture;
  if (picture === undefined) return { width: CELL, height: CELL, column: CELL };
  const longest = Math.max(picture.width, picture.height);
  const factor = longest <= CELL ? Math.floor(CELL / longest) : Math.min(1, LARGEST_CELL / longest);
  const length = (pixels: number) => Math.max(THINNEST, Math.round(pixels * factor));
  const width = length(picture.width);
  return { width, height: length(picture.height), column: Math.max(NARROWEST, width) };
}

const labelOf = ({ label, detail = '' }: PictureRow): number =>
  Math.ceil(Math.max(widthOf(label, FONT), widthOf(detail, FONT))) + 2;

async function drawCell(
  { picture, captions = [], message }: PictureCell,
  { x, y, width, height, column }: Size & { x: number; y: number },
  encode: (bitmap: Bitmap) => Promise<Uint8Array>,
): Promise<string> {
  // Enlarged here, twice as fine as drawn: not every program enlarges without smoothing.
  const factor = Math.max(1, Math.floor((2 * width) / picture.width));
  const uri = dataUri(await encode(upscale(picture, factor)), 'image/png');
  const parts = [
    `<image x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="none" href="${uri}"/>`,
    `<rect x="${x - 0.5}" y="${y - 0.5}" width="${width + 1}" height="${height + 1}" fill="none" stroke="${RULE}"/>`,
  ];
  if (message !== undefined)
    wrapped(message, width - 8, FONT).forEach((line, i, { length }) => {
      const middle = y + height / 2 + FONT / 3 + (i - (length - 1) / 2) * LINE;
      parts.push(textAt(x + width / 2, middle, line, { color: TONES.quiet, anchor: 'middle' }));
    });
  captions.forEach(({ text, tone = 'quiet' }, i) => {
    const style = { color: TONES[tone], size: 11.5, weight: tone === 'quiet' ? 400 : 600 };
    parts.push(textAt(x, y + height + 14 + i * LINE, fitted(text, column, 11.5), style, text));
  });
  return parts.join('\n');
}

/** Groups over headings; each as many lines as its longest takes. */
function columnHeadings(
  columns: PictureTable['columns'],
  width: number,
  left: (column: number) => number,
): { height: number; draw: (y: number) => string[] } {
  const groups: { text: string; from: number; to: number }[] = [];
  columns.forEach(({ group = '' }, i) => {
    const last = groups.at(-1);
    if (last?.text === group) last.to = i;
    else groups.push({ text: group, from: i, to: i });
  });
  const grouped = groups.some(({ text }) => text !== '') ? 24 : 0;
  const lines = columns.map(({ heading }) => wrapped(heading, width, FONT));
  const deepest = Math.max(0, ...lines.map(({ length }) => length));
  return {
    height: grouped + deepest * LINE + 6,
    draw: (y) => [
      ...groups
        .filter(({ text }) => text !== '')
        .map(({ text, from, to }) => {
          const [start, end] = [left(from), left(to) + width];
          return `${textAt(start, y + 12, fitted(text, end - start, FONT), { weight: 600, color: INK }, text)}
<path d="M${start} ${y + 18}H${end}" stroke="${RULE}"/>`;
        }),
      // Headings stand on the pictures.
      ...lines.flatMap((each, column) =>
        each.map((line, i) =>
          textAt(left(column), y + grouped + (deepest - each.length + i) * LINE + 12, line, { color: TONES.quiet }),
        ),
      ),
    ],
  };
}

async function drawKey(
  { map, title, low, middle, high }: ColorKey,
  { x, y }: { x: number; y: number },
  encode: (bitmap: Bitmap) => Promise<Uint8Array>,
): Promise<string> {
  const uri = dataUri(await encode(renderColorbar(map, { width: BAR })), 'image/png');
  const words = { color: TONES.quiet, size: 11 };
  return [
    textAt(x, y + 10, fitted(title, KEY_WIDTH - GAP, FONT), { color: INK }, title),
    `<image x="${x}" y="${y + 16}" width="${BAR}" height="10" preserveAspectRatio="none" href="${uri}"/>`,
    textAt(x, y + 39, low, words),
    middle === undefined ? '' : textAt(x + BAR / 2, y + 39, middle, { ...words, anchor: 'middle' }),
    textAt(x + BAR, y + 39, high, { ...words, anchor: 'end' }),
  ].join('\n');
}

interface TextStyle {
  readonly size?: number;
  readonly weight?: number;
  readonly color: string;
  readonly anchor?: 'middle' | 'end';
}

/** With the whole text as a tooltip where it had to be cut. */
function textAt(x: number, y: number, text: string, { size = FONT, weight, color, anchor }: TextStyle, whole = text) {
  const attributes = [
    `x="${x}" y="${y}" font-size="${size}" fill="${color}"`,
    weight === undefined || weight === 400 ? '' : `font-weight="${weight}"`,
    anchor === undefined ? '' : `text-anchor="${anchor}"`,
  ];
  const tooltip = whole === text ? '' : `<title>${escapeHtml(whole)}</title>`;
  return `<text ${attributes.filter(Boolean).join(' ')}>${escapeHtml(text)}${tooltip}</text>`;
}

/** About as wide as sans-serif type sets it, rather more: there are no fonts to ask everywhere. */
function widthOf(text: string, size: number): number {
  let units = 0;
  for (const letter of text) {
    if (/[ijlI.,:;'’|!()[\]· ]/.test(letter)) units += 0.32;
    else if (/[mwMW%@…→×±]/.test(letter)) units += 0.9;
    else if (/[A-Z]/.test(letter)) units += 0.72;
    else units += 0.58;
  }
  return units * size;
}

/** The text, or as much of it as fits and an ellipsis. */
function fitted(text: string, width: number, size: number): string {
  if (widthOf(text, size) <= width) return text;
  let kept = text;
  while (kept !== '' && widthOf(`${kept}…`, size) > width) kept = kept.slice(0, -1);
  return `${kept.trimEnd()}…`;
}

/** Lines no wider than `width`, broken at spaces and after hyphens, colons and commas. */
function wrapped(text: string, width: number, size: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/(?<=[ \-:,])/)) {
    const line = lines.at(-1);
    if (line !== undefined && widthOf((line + word).trimEnd(), size) <= width) lines[lines.length - 1] = line + word;
    else lines.push(word);
  }
  return lines.map((line) => fitted(line.trim(), width, size)).filter((line) => line !== '');
}
