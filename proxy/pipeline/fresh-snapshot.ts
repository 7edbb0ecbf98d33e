import type { KeyObject } from 'node:crypto';
import type { CredentialStore } from './credential-store.ts';
import { createRefresher } from './refresher.ts';
import type { CompiledSnapshot } from './snapshot.ts';
import { createSnapshotFeed, type ManifestSource, type SnapshotCache, type SnapshotFeed } from './snapshot-feed.ts';
import { createTroubleLog, type LogPort } from './trouble-log.ts';

/**
 * The snapshot in force: from the disk where that holds one, then from control, which is asked once here and with every
 * `refresh`. While control does not confirm it the last good one stays in force, the log says so at the change and once a
 * minute, and `onConfirmed` hears of each try. Rejects for nothing but a disk that cannot be used at all.
 */
export async function openFreshSnapshot(input: {
  source: ManifestSource;
  cache: SnapshotCache;
  publicKey: KeyObject;
  credentials: Pick<CredentialStore, 'refresh'>;
  nowMs: () => number;
  log: LogPort;
  onChange: (snapshot: CompiledSnapshot) => void;
  onConfirmed: (isConfirmed: boolean) => void;
}): Promise<{ feed: SnapshotFeed; refresh: () => Promise<void> }> {
  const { source, cache, publicKey, credentials, nowMs, log, onChange } = input;
  const feed = createSnapshotFeed({ source, cache, publicKey, nowMs, onChange });
  await feed.restore().catch((error: unknown) => log.warn({ err: error }, 'the snapshot on disk is not usable'));
  const trouble = createTroubleLog({
    ...{ log, nowMs },
    began: 'control did not confirm the snapshot; the last good one stays in force',
    ended: 'control confirms the snapshot again',
  });
  const refresh = createRefresher({
    feed,
    credentials,
    onTrouble: (on, error) => {
      input.onConfirmed(!on);
      if (on) trouble.met(error);
      else trouble.over();
    },
  });
  await refresh();
  return { feed, refresh };
}
