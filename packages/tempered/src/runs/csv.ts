/** @file Tables as comma-separated values (RFC 4180). */

export type CsvValue = string | number | boolean | null | undefined;

function field(value: CsvValue): string {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Rows of objects as CSV text with a header; columns are the keys in order of first appearance.
 * Numbers keep every digit; missing values are empty fields.
 *
 * @example toCsv([{ epsilon: 0, accuracy: 0.97 }]) // 'epsilon,accuracy\r\n0,0.97\r\n'
 */
export function toCsv(rows: readonly Readonly<Record<string, CsvValue>>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [columns.map(field), ...rows.map((row) => columns.map((column) => field(row[column])))];
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}
