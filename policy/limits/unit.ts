import type { LimitEntry, LimitKind, LimitUnit } from '../../storage/schema/snapshot.ts';

const unitsOf: Readonly<Record<LimitKind, readonly LimitUnit[]>> = {
  requests: ['requests'],
  concurrency: ['runs'],
  money: ['nano_usd'],
  tokens: ['total_tokens', 'input_tokens', 'output_tokens'],
  cap: ['nano_usd', 'total_tokens', 'input_tokens', 'output_tokens', 'milliseconds'],
};

/** The units that a limit of this kind can count; an unknown kind has none. */
export function listUnits(kind: LimitKind): readonly LimitUnit[] {
  return Object.hasOwn(unitsOf, kind) ? unitsOf[kind] : [];
}

/** What a limit's amounts count: what it states, or the only unit of its kind. */
export function unitOf(limit: Pick<LimitEntry, 'kind' | 'unit'>): LimitUnit {
  return limit.unit ?? listUnits(limit.kind)[0] ?? 'requests';
}

/** Whether limits of this kind say what they count, because they can count several things. */
export function statesUnit(kind: LimitKind): boolean {
  return kind === 'tokens' || kind === 'cap';
}

/** Whether limits of this kind count over a window: not what runs hold only while they are open, nor a single run. */
export function hasWindow(kind: LimitKind): boolean {
  return kind !== 'concurrency' && kind !== 'cap';
}

/** Whether the unit counts tokens of any class. */
export function countsTokens(unit: LimitUnit): boolean {
  return unit === 'input_tokens' || unit === 'output_tokens' || unit === 'total_tokens';
}

/**
 * Tokens in the limit's unit, of what is known: `complete` says whether all classes that the unit counts were.
 *
 * Null stands for a class that nobody knows; it adds nothing.
 */
export function sumTokens(
  unit: LimitUnit,
  tokens: { input: bigint | null; output: bigint | null },
): { known: bigint; complete: boolean } {
  const parts = [unit === 'output_tokens' ? 0n : tokens.input, unit === 'input_tokens' ? 0n : tokens.output];
  return {
    known: parts.reduce<bigint>((sum, part) => sum + (part ?? 0n), 0n),
    complete: parts.every((part) => part !== null),
  };
}
