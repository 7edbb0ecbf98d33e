import { randomUUID } from 'node:crypto';
import type { CounterWindow, ReservationItem, ReserveRequest } from '../schema/reservation.ts';
import { connectRedis, type Redis } from './connection.ts';
import { writeEpochIfAbsent } from './epoch.ts';
import { createReservations, type Reservations, type ReservationsOptions } from './reservations.ts';

export const day: CounterWindow = { align: 'calendar', unitMs: 86_400_000 };
export const minute: CounterWindow = { align: 'rolling', windowMs: 60_000 };

export interface Client {
  redis: Redis;
  reservations: Reservations;
}

/** A connection and reservations on it, ready; under epoch `e1` unless `options` say otherwise. */
export async function openClient(url: string, options: Partial<ReservationsOptions> = {}): Promise<Client> {
  const redis = connectRedis(url);
  const reservations = createReservations(redis, {
    callerId: 'test',
    epochOf: () => 'e1',
    timeoutMs: 2000,
    ...options,
  });
  await reservations.ready();
  return { redis, reservations };
}

/** Stops the reservations and the connection. */
export async function closeClient({ redis, reservations }: Client): Promise<void> {
  await reservations.close();
  redis.disconnect();
}

/** A tenant whose counters are valid under `e1`. */
export async function newTenant(redis: Redis): Promise<string> {
  const tenant = `t-${randomUUID()}`;
  await writeEpochIfAbsent(redis, tenant, 'e1');
  return tenant;
}

/** An item on the counter `c:l:*` of a UTC day, near at 80 %, with other fields where given. */
export function item(amount: bigint, ceiling: bigint, fields: Partial<ReservationItem> = {}): ReservationItem {
  return { limitId: 'l', key: 'c:l:*', amount, ceiling, near: (ceiling * 8n) / 10n, window: day, ...fields };
}

/** A reservation of ten minutes. */
export function request(tenant: string, items: ReservationItem[], runId: string = randomUUID()): ReserveRequest {
  return { tenant, runId, expiresInMs: 600_000, items };
}

/** Polls until `holds` does; throws after ten seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
