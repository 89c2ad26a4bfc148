import { writeFileAtomic } from '../runs/atomic.ts';
import type { CommonOptions } from './options.ts';
import type { Terminal } from './terminal.ts';

/** The result for people, or as JSON where --json asks for it. With a file name, both. */
export async function report(
  { print }: Terminal,
  { json }: CommonOptions,
  result: unknown,
  lines: readonly string[],
): Promise<void> {
  const text = JSON.stringify(result, undefined, 2);
  if (json === true) {
    print(text);
    return;
  }
  if (typeof json === 'string') await writeFileAtomic(json, `${text}\n`);
  for (const line of lines) print(line);
}

/** Rows under headings, columns aligned: numbers to the right. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const numeric = headings.map((_, i) => rows.every((row) => /^[-+\d.[]/.test(row[i] ?? '')));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(headings), ...rows.map(line)];
}
