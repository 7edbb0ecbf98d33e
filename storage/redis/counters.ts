import type { CounterWindow, Reading } from '../schema/reservation.ts';
import type { Redis } from './connection.ts';
import { limitKeys, windowTag } from './keys.ts';
import { decodeReadings, readNumbers } from './limits-call.ts';
import { createScript, readCountersSource } from './script.ts';

const maxCountersPerCall = 500;

/**
 * Reads counters of a tenant as they stand now, by the same window arithmetic as reservations, and changes nothing.
 *
 * Answers one reading for each item, in order; a counter that does not exist reads zero. A reservation that is past due
 * and not yet charged reads as reserved. The readings mean nothing while the epoch in Redis is not the expected one.
 * Rejects while Redis is away.
 */
export async function readCounters(
  redis: Redis,
  tenant: string,
  items: readonly { key: string; window: CounterWindow }[],
): Promise<Reading[]> {
  const script = createScript(redis, readCountersSource());
  const readings: Reading[] = [];
  for (let from = 0; from < items.length; from += maxCountersPerCall) {
    const part = items.slice(from, from + maxCountersPerCall);
    const args = part.flatMap(({ key, window }) => [key, windowTag(window)]);
    const answer = await script.run(limitKeys(tenant), args);
    readings.push(...decodeReadings(readNumbers(answer), 0, part.length));
  }
  return readings;
}
