import type { Sighting } from './callers.ts';

/** A stretch of time, Unix ms. */
export interface Span {
  name: string;
  fromMs: number;
  toMs: number;
}

/** The value below which a share `q` of the values lie; 0 of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

/**
 * The p99 of the calls that began in each window of a span, in ms. A span is cut into windows of `windowMs`, so that what
 * else the machine does in a moment stands in one of them; the last, shorter one is left out.
 */
export function windowP99s(sightings: readonly Sighting[], span: Span, windowMs: number): number[] {
  const windows: number[] = [];
  for (let from = span.fromMs; from + windowMs <= span.toMs; from += windowMs) {
    const inside = sightings.filter(({ startedAtMs }) => startedAtMs >= from && startedAtMs < from + windowMs);
    if (inside.length > 0)
      windows.push(
        quantile(
          inside.map((sighting) => sighting.tookMs),
          0.99,
        ),
      );
  }
  return windows;
}

/** How the p99 under a fault stands to the p99 before and after it, each the median of its windows. */
export function compareP99(input: {
  sightings: readonly Sighting[];
  calm: readonly Span[];
  fault: Span;
  windowMs: number;
}): { calmMs: number; faultMs: number; worstCalmMs: number; ratio: number } {
  const { sightings, calm, fault, windowMs } = input;
  const calmWindows = calm.flatMap((span) => windowP99s(sightings, span, windowMs));
  const calmMs = quantile(calmWindows, 0.5);
  const faultMs = quantile(windowP99s(sightings, fault, windowMs), 0.5);
  return { calmMs, faultMs, worstCalmMs: Math.max(...calmWindows), ratio: faultMs / calmMs };
}

/** Runs an act and says when it was. */
export async function spanOf(name: string, act: () => Promise<unknown>): Promise<Span> {
  const fromMs = Date.now();
  await act();
  return { name, fromMs, toMs: Date.now() };
}
