import { canonicalJson } from '../../policy/evidence/index.ts';
import type { SettledRecord } from '../../storage/schema/record.ts';
import type { SettleRequest } from '../../storage/schema/reservation.ts';
import type { ClockPort, ReservationPort, SpoolPort } from './ports.ts';

const groupMs = 50;

export interface Settler {
  add(tenant: string, runId: string, items: SettleRequest['items']): void;
  /** Sends what waits now: reservations of this turn of the event loop are then judged after it. */
  flush(): void;
  /** Settles what waits; resolves when Redis has answered. */
  drain(): Promise<void>;
}

/**
 * Settles finished runs in groups, at most 50 ms after `finish`, waiting for nothing on the way of a run.
 *
 * What Redis acknowledges is noted in a `settled` record; what it does not is left to the shipper, which settles from the
 * spool whatever has none. Both ways are idempotent by run id, so a failure here costs time, never money.
 */
export function createSettler(input: {
  reservations: ReservationPort;
  spool: SpoolPort;
  clock: ClockPort;
  onFailure: (error: unknown) => void;
}): Settler {
  let waiting: SettleRequest[] = [];
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> = Promise.resolve();

  async function settleGroup(group: SettleRequest[]): Promise<void> {
    try {
      await input.reservations.settle(group);
      const tenants = new Map<string, string[]>();
      for (const { tenant, runId } of group) tenants.set(tenant, [...(tenants.get(tenant) ?? []), runId]);
      for (const [tenant, runs] of tenants) noteSettled(input, tenant, runs);
    } catch (error) {
      input.onFailure(error);
    }
  }

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const group = waiting;
    waiting = [];
    if (group.length > 0) running = running.then(() => settleGroup(group));
  }

  return {
    add(tenant, runId, items) {
      waiting.push({ tenant, runId, items });
      timer ??= setTimeout(flush, groupMs);
    },
    flush,
    async drain() {
      flush();
      await running;
    },
  };
}

/** Puts on record that Redis has these runs as they ended, so that no shipper settles them. Throws `spool_full`. */
export function noteSettled(
  gate: { spool: SpoolPort; clock: ClockPort },
  tenant: string,
  runs: readonly string[],
): void {
  const seq = gate.spool.nextSeq();
  const record: SettledRecord = {
    v: 1,
    kind: 'settled',
    proxy_id: gate.spool.proxyId,
    proxy_epoch: gate.spool.epoch,
    proxy_seq: seq,
    tenant,
    at_ms: gate.clock.nowMs(),
    runs,
  };
  gate.spool.append({ kind: 'record', seq, head: Buffer.from(canonicalJson(record)), tail: Buffer.alloc(0) });
}
