/**
 * One CSV line (RFC 4180, ended by CRLF) in which no cell can act as a formula.
 *
 * A spreadsheet runs text that begins with `=`, `+`, `-`, `@`, a tab or a line break (their full-width forms too), so such
 * a cell gets a leading apostrophe, as OWASP advises; a plain number keeps its sign. Control characters but tab and line
 * breaks are written as `\xNN`, for whoever reads the file in a terminal. Null becomes an empty cell, objects and lists
 * become JSON.
 */
export function formatCsvLine(cells: readonly unknown[]): string {
  return `${cells.map(formatCell).join(',')}\r\n`;
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  const text = escapeControls(neutraliseFormula(typeof value === 'string' ? value : JSON.stringify(value)));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function neutraliseFormula(text: string): string {
  if (/^-?\d+(\.\d+)?$/.test(text)) return text;
  return /^\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) || /^[\t\r\n]/.test(text) ? `'${text}` : text;
}

function escapeControls(text: string): string {
  return text.replace(controls, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;
