import type { Principal } from '../../../storage/schema/control.ts';
import { HocError } from '../../../storage/schema/errors.ts';
import type { AcceptedGap } from '../../contract/api.ts';
import { type Act, appendAudit } from '../audit.ts';
import type { ControlContext } from '../context.ts';
import type { Waited } from './waiting.ts';

/** A spool whose shipper has not reported for this long is taken for gone. */
const goneMs = 60_000;

/**
 * Goes on without a spool: the rebuilds that wait for it wait no more, and what its records hold of the open windows is
 * not counted, for good. A spool that has been silent for a minute is forgotten too, until it reports again.
 *
 * Put on record in the platform's log and in that of every tenant concerned. Throws `not_found` for a proxy that control
 * does not know, and `conflict` where nothing waits for it and it is not silent.
 */
export async function acceptGap(context: ControlContext, principal: Principal, proxy: string): Promise<AcceptedGap> {
  const { tenants, forgotten, acts } = await context.store.transaction(async (tx) => {
    const spool = (await tx.readSpools()).find((row) => row.proxy_id === proxy);
    if (spool === undefined) {
      throw new HocError({ code: 'not_found', publicMessage: `Control does not know a spool of proxy ${proxy}` });
    }
    const waiting = (await tx.readRebuilds()).filter((rebuild) =>
      (JSON.parse(rebuild.waiting) as readonly Waited[]).some((one) => one.proxy === proxy),
    );
    const isGone = context.now() - Math.max(spool.reported_at_ms ?? 0, spool.live_at_ms ?? 0) > goneMs;
    if (waiting.length === 0 && !isGone) {
      throw new HocError({ code: 'conflict', publicMessage: `No rebuild waits for the spool of ${proxy}` });
    }
    for (const rebuild of waiting) {
      const accepted = [...(JSON.parse(rebuild.accepted) as readonly string[]), proxy];
      await tx.updateRebuild(rebuild, { accepted: JSON.stringify(accepted) });
    }
    if (isGone) await tx.deleteSpool(proxy);
    const epochs = waiting.map((rebuild) => ({ tenant: rebuild.tenant, epoch: rebuild.counter_epoch }));
    const described = describe(proxy, epochs, { tenants: epochs.length, forgotten: isGone ? 1 : 0 });
    await appendAudit(tx, context, { principal, acts: described });
    return { tenants: epochs.map((one) => one.tenant), forgotten: isGone, acts: described };
  });
  for (const act of acts) context.metrics.auditAppended(act.act, 1);
  context.log.warn({ proxy, tenants: tenants.slice(0, 20), count: tenants.length }, 'an operator accepted a gap');
  return { proxy, tenants, forgotten };
}

function describe(
  proxy: string,
  epochs: readonly { tenant: string; epoch: string }[],
  facts: Readonly<Record<string, number>>,
): Act[] {
  const act = { act: 'counters.accept_gap', objectType: 'spool', objectId: proxy, before: null, after: null };
  const ofTenants = epochs.map(({ tenant, epoch }) => ({ ...act, tenant, facts: { counter_epoch: epoch } }));
  return [{ ...act, tenant: '', facts }, ...ofTenants];
}
