import type { ControlContext } from '../context.ts';

/**
 * Marks the counters of new tenants as valid in Redis: once for each tenant, and never again, since an epoch that is
 * missing later means that counters were lost and money limits must not start from zero.
 *
 * Never throws: where Redis does not answer, the tenant's money limits count Redis as down until the refresh job has
 * written its epoch.
 */
export async function writeNewEpochs(context: ControlContext): Promise<void> {
  try {
    const rows = await context.store.transaction((tx) => tx.readTenants());
    for (const row of rows.filter((tenant) => !tenant.counters_written && tenant.state !== 'terminated')) {
      await context.epochs.writeIfAbsent(row.slug, row.counter_epoch);
      await context.store.transaction((tx) => tx.updateTenant(row.slug, { counters_written: true }));
    }
  } catch (error) {
    context.log.warn(
      { err: error },
      'the counters of a new tenant could not be marked valid; the refresh job tries again',
    );
  }
}
