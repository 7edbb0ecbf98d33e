import { computeBackoffMs } from './backoff.ts';
import { waitFor } from './delivery.ts';
import type { RunLedger } from './ledger.ts';
import type { Settle, Settlement, ShipperClock, ShipperTelemetry } from './ports.ts';

const lookEveryMs = 500;
/** How long a proxy has to settle a finished run itself, which it tries for within 50 ms. */
const graceMs = 2000;
const runsPerLook = 500;

export interface SettlementInput {
  ledger: RunLedger;
  /** Newest epoch whose proxy is dead: its runs are settled without grace. */
  overEpoch: () => number;
  settle: Settle;
  clock: ShipperClock;
  telemetry: ShipperTelemetry;
}

/**
 * Settles what no proxy is known to have settled, until `signal` is aborted. It is the same call as the proxy's, idempotent
 * by run id, so that a settlement made twice, or whose acknowledgement was lost, charges once. A tenant whose counters
 * cannot be used waits ever longer, at most 30 s, and holds up no other. Never rejects.
 */
export async function settleLeftovers(input: SettlementInput & { signal: AbortSignal }): Promise<void> {
  const waiting = new Map<string, { attempts: number; untilMs: number }>();
  while (!input.signal.aborted) {
    const nowMs = input.clock.nowMs();
    const due = input.ledger.dueSettlements({
      nowMs,
      graceMs,
      overEpoch: input.overEpoch(),
      max: runsPerLook,
      skip: (tenant) => (waiting.get(tenant)?.untilMs ?? 0) > nowMs,
    });
    for (const [tenant, requests] of groupByTenant(due)) {
      try {
        await input.settle(requests);
        waiting.delete(tenant);
        input.ledger.settled(requests.map((request) => request.runId));
        input.telemetry.settled(requests.length);
      } catch (error) {
        const attempts = (waiting.get(tenant)?.attempts ?? 0) + 1;
        waiting.set(tenant, { attempts, untilMs: nowMs + computeBackoffMs(attempts, input.clock.random()) });
        input.telemetry.failed('settle', error);
      }
    }
    await waitFor(due.length === runsPerLook ? 0 : lookEveryMs, input.signal);
  }
}

function groupByTenant(requests: readonly Settlement[]): Map<string, Settlement[]> {
  const groups = new Map<string, Settlement[]>();
  for (const request of requests) {
    const group = groups.get(request.tenant);
    if (group === undefined) groups.set(request.tenant, [request]);
    else group.push(request);
  }
  return groups;
}
