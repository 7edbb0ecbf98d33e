import { change } from '../change.ts';
import type { ControlContext } from '../context.ts';
import { aliveMs } from '../counters/waiting.ts';
import { writeNewEpochs } from './epochs.ts';
import { settingNames } from './issue.ts';
import { controlPrincipal } from './prepare.ts';

/** Job that keeps the snapshot in step with the installation. */
export const refreshJob = 'snapshot.refresh';

/**
 * Looks at the live proxies: a changed number of them makes a new manifest, since local shares are divided by it. And
 * writes counter epochs that were never written. Throws where an engine does not answer; the next run makes up for it.
 */
export async function refreshSnapshot(context: ControlContext): Promise<void> {
  const proxies = String(Math.max((await listAlive(context)).size, 1));
  const standing = await context.store.transaction((tx) => tx.readSetting(settingNames.proxies));
  if (standing !== proxies) {
    await change(context, controlPrincipal, async (tx) => {
      await tx.saveSetting({ name: settingNames.proxies, value: proxies });
      return { result: null, acts: [], touched: [] };
    });
  }
  await writeNewEpochs(context);
}

/** Proxies that gave a sign of life lately, to whichever Redis: one that has just lost its data knows of none of them. */
async function listAlive(context: ControlContext): Promise<ReadonlySet<string>> {
  const live = await context.live.read();
  const spools = await context.store.transaction((tx) => tx.readSpools());
  const recent = spools.filter((spool) => spool.live_at_ms !== null && context.now() - spool.live_at_ms < aliveMs);
  return new Set([...live.map((proxy) => proxy.proxy_id), ...recent.map((spool) => spool.proxy_id)]);
}
