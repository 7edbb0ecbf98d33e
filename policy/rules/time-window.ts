const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const minuteMs = 60_000;
const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
/** 1970-01-01 was a Thursday: its week began three days earlier. */
const epochMs = 3 * dayMs;

const windowForm = /^(?:([a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?){0,6}))?(?: ?(\d\d):(\d\d)-(\d\d):(\d\d))?$/;
const offsetForm = /^(?:([+-])(\d\d):(\d\d)|UTC)$/;

/** Times of the week, as stretches of milliseconds from Monday 00:00 in a fixed offset from UTC. */
export interface TimeWindows {
  offsetMs: number;
  /** From (included) to until (excluded); may reach past the end of the week, which then wraps. */
  stretches: readonly (readonly [fromMs: number, untilMs: number])[];
}

/**
 * Reads time windows such as `["mon-fri 09:00-17:00", "sat,sun 10:00-14:00", "+02:00"]`.
 *
 * A window is days, times or both; days are names and ranges (`mon-fri`, `fri-mon`), times go up to `24:00`, and one that
 * ends before it begins reaches into the next day. The last text may be an offset from UTC of at most 14 hours; without one
 * times are UTC. There are no time zones: their rules change, and a decision must stay repeatable. Answers a sentence where
 * it cannot be read.
 */
export function readTimeWindows(texts: readonly string[]): TimeWindows | string {
  const last = texts.at(-1);
  const offset = last === undefined ? null : readOffset(last);
  const windows = offset === null ? texts : texts.slice(0, -1);
  if (windows.length === 0) return 'give at least one window, as in "mon-fri 09:00-17:00"';
  const stretches: [number, number][] = [];
  for (const window of windows) {
    const read = readWindow(window);
    if (read === null) {
      return `${JSON.stringify(window)} is no window; write "mon-fri 09:00-17:00", "sat,sun", "22:00-06:00", and last an offset such as "+02:00"`;
    }
    stretches.push(...read);
  }
  return { offsetMs: offset ?? 0, stretches };
}

/** Whether an instant (Unix ms) lies in one of the windows. */
export function isDuring({ offsetMs, stretches }: TimeWindows, atMs: number): boolean {
  const inWeek = (((atMs + offsetMs + epochMs) % weekMs) + weekMs) % weekMs;
  return stretches.some(
    ([from, until]) => (from <= inWeek && inWeek < until) || (until > weekMs && inWeek < until - weekMs),
  );
}

function readOffset(text: string): number | null {
  const found = offsetForm.exec(text);
  if (found === null) return null;
  const [, sign, hours = '0', minutes = '0'] = found;
  const ms = (Number(hours) * 60 + Number(minutes)) * minuteMs;
  if (Number(minutes) > 59 || ms > 14 * 60 * minuteMs) return null;
  return sign === '-' ? -ms : ms;
}

function readWindow(text: string): [number, number][] | null {
  const [whole, days, ...times] = windowForm.exec(text) ?? [];
  if (whole === undefined || whole === '' || whole.startsWith(' ')) return null;
  const [fromHour, fromMinute, untilHour, untilMinute] = times.map(Number);
  const isTimed = times[0] !== undefined;
  const from = isTimed ? readTime(fromHour, fromMinute) : 0;
  const until = isTimed ? readTime(untilHour, untilMinute) : dayMs;
  const listed = days === undefined ? dayNames.map((_, day) => day) : readDays(days);
  if (from === null || until === null || from === until || from === dayMs || listed === null) return null;
  const end = until > from ? until : until + dayMs;
  return listed.map((day) => [day * dayMs + from, day * dayMs + end]);
}

function readTime(hour = Number.NaN, minute = Number.NaN): number | null {
  const ms = (hour * 60 + minute) * minuteMs;
  return minute <= 59 && ms <= dayMs ? ms : null;
}

function readDays(text: string): number[] | null {
  const days = new Set<number>();
  for (const part of text.split(',')) {
    const [first = '', last = first] = part.split('-');
    const [from, until] = [dayNames.indexOf(first), dayNames.indexOf(last)];
    if (from < 0 || until < 0) return null;
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === until) break;
    }
  }
  return [...days];
}
