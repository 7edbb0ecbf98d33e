import type { SpoolReport } from '../../../storage/schema/live.ts';
import type { ControlContext } from '../context.ts';

/** Keeps the last report of a spool. Reports come every two seconds, and repeat themselves. */
export async function takeSpoolReport(context: ControlContext, report: SpoolReport): Promise<void> {
  const row = { proxy_id: report.proxy_id, report: JSON.stringify(report), reported_at_ms: context.now() };
  await context.store.transaction((tx) => tx.saveSpoolReport(row));
}

/** A proxy's mark as it is posted: amounts are decimal strings. */
export interface PostedMark {
  proxyId: string;
  proxyEpoch: number;
  tenant: string;
  counterEpoch: string;
  lastSeq: number;
  open: readonly unknown[];
}

/**
 * Keeps where proxies marked their spools and what was open there. A mark for anything but a rebuild that waits is left
 * out: its epoch is over, or its counters stand already. The same mark again changes nothing.
 */
export async function takeMarks(
  context: ControlContext,
  marks: readonly PostedMark[],
): Promise<{ taken: number; ignored: number }> {
  const taken = await context.store.transaction(async (tx) => {
    const rebuilds = (await tx.readRebuilds()).filter((rebuild) => rebuild.state === 'waiting');
    const wanted = new Set(rebuilds.map((rebuild) => `${rebuild.tenant} ${rebuild.counter_epoch}`));
    const fitting = marks.filter((mark) => wanted.has(`${mark.tenant} ${mark.counterEpoch}`));
    for (const mark of fitting) {
      await tx.saveMark({
        tenant: mark.tenant,
        counter_epoch: mark.counterEpoch,
        proxy_id: mark.proxyId,
        proxy_epoch: mark.proxyEpoch,
        last_seq: mark.lastSeq,
        open: JSON.stringify(mark.open),
        at_ms: context.now(),
      });
    }
    return fitting.length;
  });
  return { taken, ignored: marks.length - taken };
}

/** Rebuilds that wait, for a proxy that has just started and cannot know of them. */
export async function listOpenRebuilds(context: ControlContext): Promise<{ tenant: string; counter_epoch: string }[]> {
  const rebuilds = await context.store.transaction((tx) => tx.readRebuilds());
  return rebuilds
    .filter((rebuild) => rebuild.state === 'waiting')
    .map(({ tenant, counter_epoch }) => ({ tenant, counter_epoch }));
}
