import type { DoctorFinding } from '../contract/api.ts';

/** What one check came to. */
export type Verdict = Omit<DoctorFinding, 'check'>;

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
