import type { CounterWindow } from '../../storage/schema/reservation.ts';
import { isOpen } from './window.ts';

/** When a counter was last told to be near: the position it stood at, and the amount from which it counted as near. */
export interface NearMark {
  position: number;
  amount: bigint;
}

/**
 * Decides whether a grant is the first to bring a counter to its near mark, and what is marked from then on.
 *
 * In a window that ends it is told once: not again before the calendar window is over, or (rolling) a whole window has
 * passed since. Without one (concurrency), not again before the counter has fallen below the mark that it was told at and
 * the one that holds now. So another ceiling, as an override brings, tells nothing twice. `before` and `taken` are used
 * plus reserved without and with the grant; an empty counter is never near. Never throws.
 */
export function decideNear(
  known: NearMark | null,
  grant: { near: bigint; window: CounterWindow; position: number; before: bigint; taken: bigint },
): { tell: boolean; mark: NearMark | null } {
  const { window, position, before, taken } = grant;
  const amount = grant.near > 0n ? grant.near : 1n;
  const holds = known !== null && (window.align === 'none' ? !hasFallen(known, before, amount) : isKept(known, grant));
  const mark = holds ? known : null;
  if (taken < amount || mark !== null) return { tell: false, mark };
  return { tell: true, mark: { position, amount } };
}

function hasFallen(known: NearMark, before: bigint, amount: bigint): boolean {
  return before < known.amount && before < amount;
}

function isKept(known: NearMark, grant: { window: CounterWindow; position: number }): boolean {
  return isOpen(grant.window, known.position, grant.position);
}
