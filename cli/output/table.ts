import { neutraliseTerminal } from './terminal.ts';

export interface Column {
  title: string;
  /** Numbers read better from the right. */
  right?: boolean;
  /** Longest text shown; the rest becomes an ellipsis. */
  max?: number;
}

/** A plain table for a person: padded columns, two spaces between them, hostile characters shown as escapes. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const cells = rows.map((row) => columns.map((column, index) => cut(row[index] ?? null, column.max ?? 60)));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => [...(row[index] ?? '')].length)),
  );
  const format = (row: readonly string[]): string =>
    columns
      .map((column, index) => pad(row[index] ?? '', widths[index] ?? 0, column.right === true))
      .join('  ')
      .trimEnd();
  return [columns.map((column) => column.title), ...cells].map(format).join('\n');
}

function cut(value: string | number | null, max: number): string {
  const text = [...(value === null ? '-' : neutraliseTerminal(String(value)))];
  return text.length <= max ? text.join('') : `${text.slice(0, max - 1).join('')}…`;
}

function pad(text: string, width: number, right: boolean): string {
  const blank = ' '.repeat(Math.max(0, width - [...text].length));
  return right ? blank + text : text + blank;
}
