import type { DoctorFinding } from '../contract/api.ts';

/** What one check came to. */
export type Verdict = Omit<DoctorFinding, 'check'>;

export const ok = (message: string): Verdict => ({ severity: 'ok', message });
export const error = (message: string): Verdict => ({ severity: 'error', message });
export const warning = (message: string): Verdict => ({ severity: 'warning', message });

const shown = 10;

/** The first ten items in one line, and how many more there are. */
export function listSome(items: readonly string[]): string {
  const rest = items.length - shown;
  return items.slice(0, shown).join('; ') + (rest > 0 ? `; and ${rest} more` : '');
}
