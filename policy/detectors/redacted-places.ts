import type { Span } from './detector.ts';

/**
 * From places in a redacted text to places in the text before. `found` is sorted, without overlaps, and each span of it became a
 * mark of `mark` units. A span that reaches into a mark takes all that the mark stands for.
 */
export function mapFromRedacted(found: readonly Span[], mark: number): (span: Span) => Span {
  let longer = 0;
  const marks = found.map(({ start, end }) => {
    const row = { from: start + longer, start, end };
    longer += mark - (end - start);
    return row;
  });
  const place = (at: number, edge: 'start' | 'end'): number => {
    const row = marks[findLast(marks, at)];
    if (row === undefined) return at;
    return at < row.from + mark ? row[edge] : row.end + (at - row.from - mark);
  };
  return ({ start, end }) => {
    const last = place(end - 1, 'end');
    return { start: place(start, 'start'), end: isInMark(marks, end - 1, mark) ? last : last + 1 };
  };
}

function isInMark(marks: readonly { from: number }[], at: number, mark: number): boolean {
  const row = marks[findLast(marks, at)];
  return row !== undefined && at < row.from + mark;
}

/** Index of the last mark that begins at or before a place, -1 for none. */
function findLast(marks: readonly { from: number }[], at: number): number {
  let [low, high] = [0, marks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marks[middle]?.from ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
