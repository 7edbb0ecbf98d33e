import type { Faults } from './faults.ts';
import { seedOf } from './tokens.ts';

/** When an answer comes: its first token after `firstTokenMs`, then `tokensPerSecond`. */
export interface Pace {
  firstTokenMs: number;
  tokensPerSecond: number;
}

export type Speed = 'realistic' | 'instant';

/** Time between two writes of a paced stream, which carries all tokens that became due. */
export const tickMs = 25;

/**
 * The pace of an answer: 120 to 350 ms to the first token and 60 to 120 tokens a second, by the prompt's content alone.
 * Null means at once. Faults that are about time, and an endless answer, are paced also where all else is instant.
 */
export function choosePace(prompt: string, speed: Speed, faults: Faults): Pace | null {
  const timed = faults.slow !== undefined || faults.rate !== undefined || faults.endless === true;
  if (speed === 'instant' && !timed) return null;
  const seed = seedOf(prompt);
  const slow = faults.slow ?? 1;
  const firstTokenMs = speed === 'instant' && faults.slow === undefined ? 0 : (120 + (seed % 231)) * slow;
  return { firstTokenMs, tokensPerSecond: (faults.rate ?? 60 + ((seed >>> 8) % 61)) / slow };
}
