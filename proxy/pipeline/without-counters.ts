import { refuseByLimit } from './limit-refusal.ts';
import { type Identified, type Refusal, type Reserved, type Run, refuse } from './run.ts';

const retryAfterMs = 1000;

/**
 * Decides a run whose counters did not answer, by its limits' own modes; it is marked in any case.
 *
 * `refuse` of any limit refuses it (503). `local` admits request rates on this proxy's share, and refuses (429) what is
 * beyond it, or everything (503) after a minute. `allow` lets it pass. What passes is noted as open all the same: it is
 * entered into the counters once they are back.
 */
export function goWithoutCounters(run: Run, identified: Identified, reserved: Reserved): Reserved | Refusal {
  run.marks.add('redis_degraded');
  const { plan } = reserved;
  if (plan.redisDown === 'refuse') {
    const id = plan.limits.find(({ redisDown }) => redisDown === 'refuse')?.id ?? '';
    const message = `Blocked by limit ${id}: the counters of limits are unavailable, and it lets no run go without them.`;
    return { ...refuse('engine_down', message, 'capacity'), retryAfterMs };
  }
  const { gate } = run;
  const { tenant } = identified.tenant;
  const pass = () => {
    const { items } = reserved;
    run.uncounted = { atMs: gate.clock.nowMs(), epoch: gate.counterEpoch(tenant) };
    gate.openReservations.put(tenant, {
      runId: run.id,
      atMs: run.uncounted.atMs,
      expiresInMs: gate.limits.reservationMs,
      items,
    });
    return reserved;
  };
  if (plan.redisDown === 'allow') return pass();
  const proxies = gate.snapshot()?.manifest.proxies ?? 1;
  const no = gate.localShare.admit(plan, { tenant, proxies, nowMs: gate.clock.nowMs() });
  if (no === null) {
    run.marks.add('local_share');
    return pass();
  }
  const limitId = plan.limits[no.index]?.id ?? '';
  if (no.cause === 'away') return { ...refuse('engine_down', no.reason, `limit:${limitId}`), retryAfterMs };
  run.marks.add('local_share');
  const facts = { limit: limitId, local_share: no.reason };
  const verdict = { limitId, reason: no.reason, reading: null, facts, retryAfterMs: no.retryAfterMs };
  return refuseByLimit(run, reserved, verdict);
}
