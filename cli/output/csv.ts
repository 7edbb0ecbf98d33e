/**
 * One CSV line (RFC 4180, ended by CRLF) in which no cell can act as a formula.
 *
 * A spreadsheet runs text that begins with `=`, `+`, `-`, `@`, a tab or a line break (their full-width forms too), so such
 * a cell gets a leading apostrophe, as OWASP advises; a plain number keeps its sign. Null becomes an empty cell, objects
 * and lists become JSON.
 */
export function formatCsvLine(cells: readonly unknown[]): string {
  return `${cells.map(formatCell).join(',')}\r\n`;
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  const text = neutraliseFormula(typeof value === 'string' ? value : JSON.stringify(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function neutraliseFormula(text: string): string {
  if (/^-?\d+(\.\d+)?$/.test(text)) return text;
  return /^\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) || /^[\t\r\n]/.test(text) ? `'${text}` : text;
}
