import type { DoctorFinding } from '../contract/api.ts';

/** What was found of damage that cannot be mended: a count, or ranges of a sequence or of time, both ends included. */
export type Damage = { count: number } | { ranges: readonly (readonly [from: number, to: number])[] };

/** What one check came to. */
export interface Verdict extends Pick<DoctorFinding, 'severity' | 'message'> {
  /** Of damage that stays for good: its name, and how much there is. A person can acknowledge it. */
  damage?: { id: string; found: Damage };
}

/** Nothing is wrong. */
export function ok(message: string): Verdict {
  return { severity: 'ok', message };
}

/** Something is wrong now. */
export function error(message: string): Verdict {
  return { severity: 'error', message };
}

/** Something can go wrong. */
export function warning(message: string): Verdict {
  return { severity: 'warning', message };
}

const shown = 10;

/** The first ten items in one line, and how many more there are. */
export function listSome(items: readonly string[]): string {
  const rest = items.length - shown;
  return items.slice(0, shown).join('; ') + (rest > 0 ? `; and ${rest} more` : '');
}
