import { findClose, findPosition } from '../../../policy/limits/index.ts';
import type { CounterMarkRow, CounterRebuildRow } from '../../../storage/schema/control.ts';
import { HocError } from '../../../storage/schema/errors.ts';
import type { GoneRun, OpenReservation, RebuiltCounter } from '../../../storage/schema/reservation.ts';
import { appendAudit } from '../audit.ts';
import type { ControlContext } from '../context.ts';
import type { ChargesQuery } from '../ports.ts';
import { buildPolicyDocument } from '../snapshot/documents.ts';
import { controlPrincipal } from '../snapshot/prepare.ts';
import { buildCounters, planSums } from './sums.ts';

/** A window that closes within this time need not be found again: Redis' clock is not ours. */
const closingMs = 5_000;
/** A proxy that wakes later than this goes on with runs that were closed in its place. */
const goneForMs = 24 * 3_600_000;

/**
 * Writes a tenant's counters back: what its recorded runs were charged in the windows that are open, what its proxies
 * said is open, and which runs were closed while their proxy was away, under the limits in force now; then reads them back, and puts the end of the rebuild on record.
 *
 * From the moment that `restoring` is noted, a rebuild that breaks off begins anew under another epoch, since Redis may
 * hold this one, with runs that have counted under it. Rejects with `engine_unavailable` where an engine does not answer
 * or the counters do not read as they were written.
 */
export async function restoreTenant(context: ControlContext, rebuild: CounterRebuildRow): Promise<void> {
  const { tenant } = rebuild;
  const { marks, objects } = await context.store.transaction(async (tx) => ({
    marks: await tx.readMarks(rebuild),
    objects: (await tx.readTenantObjects([tenant]))[0],
  }));
  if (objects === undefined) return;
  const { limits } = buildPolicyDocument(objects);
  const nowMs = context.now();
  const cuts = marks.flatMap(cutAt);
  const query = { limits: planSums(limits, nowMs), cuts };
  const scope = { kind: 'tenant', tenant } as const;
  const sums = query.limits.length === 0 ? [] : await context.charges.sum(scope, query);
  const abandoned =
    query.limits.length === 0 ? [] : await context.charges.abandoned(scope, { sinceMs: nowMs - goneForMs, cuts });
  const gone = abandoned.map((runId) => ({ runId, untilMs: nowMs + goneForMs }));
  const counters = buildCounters(limits, sums, nowMs);
  const open = marks.flatMap(readOpen);
  const isOurs = await context.store.transaction((tx) => tx.updateRebuild(rebuild, { state: 'restoring' }));
  if (!isOurs) return;
  await restoreOrWait(context, rebuild, { counters, open, gone });
  await verify(context, rebuild, counters);
  await conclude(context, rebuild, { counters: counters.length, open_runs: open.length });
}

/** Where another restorer, or what is left of one that was killed, still holds the tenant, nothing was written: it waits. */
async function restoreOrWait(
  context: ControlContext,
  rebuild: CounterRebuildRow,
  found: { counters: readonly RebuiltCounter[]; open: readonly OpenReservation[]; gone: readonly GoneRun[] },
): Promise<void> {
  const { tenant, counter_epoch: epoch } = rebuild;
  try {
    await context.counters.restore({ tenant, epoch, ...found });
  } catch (error) {
    if (error instanceof HocError && error.code === 'conflict') {
      await context.store.transaction((tx) => tx.updateRebuild(rebuild, { state: 'waiting' }));
    }
    throw error;
  }
}

/** Later records of the proxy belong to the new counters, and so does whatever its recovery closes. */
function cutAt(mark: CounterMarkRow): ChargesQuery['cuts'] {
  const { proxy_id: proxyId, proxy_epoch: proxyEpoch } = mark;
  return [
    { proxyId, proxyEpoch, lastSeq: mark.last_seq },
    { proxyId: `${proxyId}.recovery`, proxyEpoch, lastSeq: 0 },
  ];
}

type StoredOpen = Omit<OpenReservation, 'items'> & {
  items: readonly (Omit<OpenReservation['items'][number], 'amount'> & { amount: string })[];
};

function readOpen(mark: CounterMarkRow): OpenReservation[] {
  const stored = JSON.parse(mark.open) as StoredOpen[];
  return stored.map((run) => ({
    ...run,
    items: run.items.map((item) => ({ ...item, amount: BigInt(item.amount) })),
  }));
}

/** Every counter must show at least what was written: runs that go on may have added to it. */
async function verify(
  context: ControlContext,
  { tenant, counter_epoch: epoch }: CounterRebuildRow,
  counters: readonly RebuiltCounter[],
): Promise<void> {
  const readings = await context.counters.read(tenant, counters);
  const untilMs = context.now() + closingMs;
  for (const [index, { window, used }] of counters.entries()) {
    const lasting = used.filter(({ atMs }) => findClose(window, findPosition(window, atMs)) > untilMs);
    const written = lasting.reduce((sum, { amount }) => sum + amount, 0n);
    const reading = readings[index];
    if (reading !== undefined && reading.used >= written) continue;
    await context.counters.invalidate(tenant, epoch);
    throw new HocError({
      code: 'engine_unavailable',
      publicMessage: 'Redis does not show the counters as they were written; the rebuild begins anew',
    });
  }
}

/**
 * Goes on with a rebuild that broke off while its counters were written: they are written whole and the epoch last, so
 * where it stands the rebuild is done. Answers false where it does not: Redis may have held it in between, so that what
 * counted under it is lost, and another epoch is needed.
 */
export async function resumeRestored(context: ControlContext, rebuild: CounterRebuildRow): Promise<boolean> {
  const { epoch } = await context.counters.look(rebuild.tenant);
  if (epoch !== rebuild.counter_epoch) return false;
  await conclude(context, rebuild, { resumed: 1 });
  return true;
}

async function conclude(
  context: ControlContext,
  rebuild: CounterRebuildRow,
  facts: Readonly<Record<string, number>>,
): Promise<void> {
  const { tenant, counter_epoch: epoch, accepted } = rebuild;
  const tookMs = context.now() - rebuild.opened_at_ms;
  const gaps = (JSON.parse(accepted) as readonly string[]).join(' ');
  const isOurs = await context.store.transaction(async (tx) => {
    if (!(await tx.deleteRebuild(rebuild))) return false;
    const act = {
      tenant,
      act: 'counters.rebuild',
      objectType: 'counters',
      objectId: tenant,
      before: null,
      after: { counter_epoch: epoch },
      facts: { ...facts, took_ms: tookMs, accepted_gaps: gaps },
    };
    await appendAudit(tx, context, { principal: controlPrincipal, acts: [act] });
    return true;
  });
  if (!isOurs) return;
  context.metrics.auditAppended('counters.rebuild', 1);
  context.metrics.rebuildEnded('done');
  context.log.info({ tenant, ...facts, took_ms: tookMs }, 'the limit counters of a tenant are rebuilt');
}
