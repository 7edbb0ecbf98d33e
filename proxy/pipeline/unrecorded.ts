import { chargeWorstCase } from './charges.ts';
import type { Run } from './run.ts';
import { settleRun } from './top-up.ts';

/**
 * Settles a run whose end will not be put on record: at the worst case, which is what its intent says of it and what
 * recovery will record. Does nothing where its end is recorded later. What it held while it was under way (concurrency) is free again.
 */
export function settleUnrecorded(run: Run): void {
  const tenant = run.identified?.tenant.tenant;
  const { reserved } = run;
  if (tenant === undefined || reserved === null || run.settled || run.endsLate || reserved.items.length === 0) return;
  settleRun(run, tenant, run.sealed === null ? [] : chargeWorstCase(run, reserved).settle);
}
