import { change } from '../change.ts';
import type { ControlContext } from '../context.ts';
import { findInvalidCounters, writeNewEpochs } from './epochs.ts';
import { settingNames } from './issue.ts';
import { controlPrincipal } from './prepare.ts';

/** Job that keeps the snapshot in step with the installation. */
export const refreshJob = 'snapshot.refresh';

/**
 * Looks at the live proxies and the counters: a changed number of proxies makes a new manifest, an epoch that was never
 * written is written, one that is gone is an alarm. Throws where an engine does not answer; the next run makes up for it.
 */
export async function refreshSnapshot(context: ControlContext): Promise<void> {
  const live = await context.live.read();
  const proxies = String(Math.max(live.length, 1));
  const standing = await context.store.transaction((tx) => tx.readSetting(settingNames.proxies));
  if (standing !== proxies) {
    await change(context, controlPrincipal, async (tx) => {
      await tx.saveSetting({ name: settingNames.proxies, value: proxies });
      return { result: null, acts: [], touched: [] };
    });
  }
  await writeNewEpochs(context);
  const invalid = await findInvalidCounters(context);
  context.metrics.countersInvalid(invalid.length);
  if (invalid.length > 0) {
    context.log.error(
      { tenants: invalid.slice(0, 20), count: invalid.length },
      'Redis has lost the counters of tenants: their limits count Redis as down until the counters are rebuilt',
    );
  }
}
