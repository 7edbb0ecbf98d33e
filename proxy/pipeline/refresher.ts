import type { SnapshotFeed } from './snapshot-feed.ts';

/**
 * Keeps the snapshot and the credentials fresh: refreshes run one after the other, and a push that comes during one
 * causes exactly one more. Never rejects: trouble is told through `onTrouble`, and the last good state stays in force.
 */
export function createRefresher(input: {
  feed: SnapshotFeed;
  credentials: { refresh(version: number): Promise<void> };
  onTrouble: (on: boolean, error: unknown) => void;
}): () => Promise<void> {
  let running: Promise<void> | null = null;
  let again = false;
  async function refreshAll(): Promise<void> {
    do {
      again = false;
      try {
        await input.feed.refresh();
        await input.credentials.refresh(input.feed.current()?.manifest.credentials_version ?? 0);
        input.onTrouble(false, null);
      } catch (error) {
        input.onTrouble(true, error);
      }
    } while (again);
  }
  return () => {
    again = running !== null;
    running ??= refreshAll().finally(() => {
      running = null;
    });
    return running;
  };
}
