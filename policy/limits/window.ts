import { HocError } from '../../storage/schema/errors.ts';
import type { CounterWindow } from '../../storage/schema/reservation.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
const unitsMs = { m: minuteMs, h: 60 * minuteMs, d: dayMs, w: weekMs } as const;
/** A rolling month has no calendar to follow: it is 30 days. */
const rollingMonthMs = 30 * dayMs;
/** The first Monday after the epoch (1970-01-05): where weeks start. */
const firstMondayMs = 4 * dayMs;
/** Ten years: longer windows are a mistake in the configuration. */
const longestMs = 3660 * dayMs;

/** A rolling window is kept in buckets of a sixtieth of its length. */
export const rollingBuckets = 60;

const form = /^([1-9][0-9]{0,3})(mo|m|h|d|w)$/;

/**
 * Reads `<n>m`, `<n>h`, `<n>d`, `<n>w` or `<n>mo` into the window of a counter.
 *
 * Calendar windows are UTC multiples of the unit counted from 1970-01-01 (weeks, and whole weeks given in days, from
 * Monday 1970-01-05; months from January of the year 0), so `1d` is the UTC day and `3mo` the UTC quarter. Throws
 * `configuration_invalid` on any other text and on windows of more than ten years.
 */
export function parseWindow(window: string, align: 'calendar' | 'rolling'): CounterWindow {
  const [, digits, unit] = form.exec(window) ?? [];
  const count = Number(digits);
  if (unit === undefined) throw invalid(`"${window}" is not a window: expected a number and m, h, d, w or mo`);
  const lengthMs = count * (unit === 'mo' ? rollingMonthMs : unitsMs[unit as keyof typeof unitsMs]);
  if (lengthMs > longestMs) throw invalid(`"${window}" is longer than ten years`);
  if (align === 'rolling') return { align: 'rolling', windowMs: lengthMs };
  return unit === 'mo' ? { align: 'calendar', months: count } : { align: 'calendar', unitMs: lengthMs };
}

function invalid(publicMessage: string): HocError {
  return new HocError({ code: 'configuration_invalid', publicMessage });
}

/** Length of one bucket of a rolling window, in ms; rounded up, so that 60 of them always cover the window. */
function bucketMs(windowMs: number): number {
  return Math.ceil(windowMs / rollingBuckets);
}

function weekOffsetMs(unitMs: number): number {
  return unitMs % weekMs === 0 ? firstMondayMs : 0;
}

/** The number of the calendar window or rolling bucket that the instant falls into; 0 where nothing is ever forgotten. */
export function findPosition(window: CounterWindow, nowMs: number): number {
  if (window.align === 'none') return 0;
  if (window.align === 'rolling') return Math.floor(nowMs / bucketMs(window.windowMs));
  if ('unitMs' in window) return Math.floor((nowMs - weekOffsetMs(window.unitMs)) / window.unitMs);
  const at = new Date(nowMs);
  return Math.floor((at.getUTCFullYear() * 12 + at.getUTCMonth()) / window.months);
}

/**
 * The instant (Unix ms) from which what was charged at `position` no longer counts; Infinity where it always does.
 *
 * A rolling bucket stays until all of it is older than the window, so that no span of that length ever holds more than
 * the ceiling; it can stay up to a sixtieth longer than the window for that.
 */
export function findClose(window: CounterWindow, position: number): number {
  if (window.align === 'none') return Number.POSITIVE_INFINITY;
  if (window.align === 'rolling') return (position + rollingBuckets + 1) * bucketMs(window.windowMs);
  if ('unitMs' in window) return (position + 1) * window.unitMs + weekOffsetMs(window.unitMs);
  return Date.UTC(1970, (position + 1) * window.months - 1970 * 12);
}

/** Whether a charge at `position` still counts when the counter stands at `newest`. */
export function isOpen(window: CounterWindow, position: number, newest: number): boolean {
  return newest - position < (window.align === 'rolling' ? rollingBuckets + 1 : 1);
}
