import type { Detection, DetectorId } from './detector.ts';

/** What stands in a text for what a detector found. */
export function markOf(detector: DetectorId): string {
  return `[redacted:${detector}]`;
}

/**
 * The text with every span found replaced by `[redacted:<id>]`. Spans that overlap become one, named after the first (by
 * start, then by end, then by place in `found`). Spans outside the text are cut to it; empty ones are passed over.
 */
export function redact(text: string, found: readonly Detection[]): string {
  const spans = found
    .map(({ detector, start, end }) => ({ detector, start: Math.max(0, start), end: Math.min(text.length, end) }))
    .filter(({ start, end }) => start < end)
    .sort((a, b) => a.start - b.start || b.end - a.end);
  const parts: string[] = [];
  let from = 0;
  for (let i = 0; i < spans.length; ) {
    const first = spans[i];
    if (first === undefined) break;
    let { end } = first;
    for (i += 1; i < spans.length; i += 1) {
      const next = spans[i];
      if (next === undefined || next.start >= end) break;
      end = Math.max(end, next.end);
    }
    parts.push(text.slice(from, first.start), markOf(first.detector));
    from = end;
  }
  parts.push(text.slice(from));
  return parts.join('');
}
