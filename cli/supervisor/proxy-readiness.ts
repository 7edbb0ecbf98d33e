import { setTimeout as delay } from 'node:timers/promises';
import { HocError } from '../../storage/schema/errors.ts';
import type { Fleet } from './fleet.ts';

const patienceMs = 60_000;
/** How long a proxy that decides by an older manifest may fail to confirm a newer one before the start goes on without it. */
const doubtMs = 10_000;

/**
 * Waits until every proxy decides with the manifest of this sequence (null: with any), so that a key which was just applied
 * works at once.
 *
 * Returns the name of a proxy that stays with an older one, its last good, and says that it cannot take this; null where all
 * took it. Throws HocError `not_ready` when one does not decide at all within a minute.
 */
export async function waitForProxies(
  fleet: Fleet,
  sequence: number | null,
  isStopping: () => boolean,
): Promise<string | null> {
  const startedMs = Date.now();
  let doubtedSinceMs: number | null = null;
  for (;;) {
    const standings = await readStandings(fleet, sequence);
    const late = standings.find(({ standing }) => standing !== 'current');
    if (standings.length > 0 && late === undefined) return null;
    const isDoubted = late !== undefined && standings.every(({ standing }) => standing !== 'away');
    doubtedSinceMs = isDoubted ? (doubtedSinceMs ?? Date.now()) : null;
    const waitedMs = Date.now() - startedMs;
    if (late !== undefined && doubtedSinceMs !== null && Date.now() - doubtedSinceMs > doubtMs) return late.name;
    if (waitedMs > patienceMs || isStopping()) {
      const name = late?.name ?? 'proxy';
      throw new HocError({
        code: 'not_ready',
        publicMessage: `${name} did not take the configuration within a minute; see ${name}.log.`,
      });
    }
    await delay(20);
  }
}

/** Resolves once every proxy decides with the manifest of this sequence, or when everything is to end. */
export async function followProxies(fleet: Fleet, sequence: number, isStopping: () => boolean): Promise<void> {
  while (!isStopping()) {
    const standings = await readStandings(fleet, sequence);
    if (standings.length > 0 && standings.every(({ standing }) => standing === 'current')) return;
    await delay(1000, undefined, { ref: false });
  }
}

/** `behind`: it decides, by an older manifest, and says that it cannot confirm what control publishes. */
type Standing = 'current' | 'behind' | 'away';

async function readStandings(fleet: Fleet, sequence: number | null): Promise<{ name: string; standing: Standing }[]> {
  const proxies = fleet.children().filter((child) => child.spec.name.startsWith('proxy'));
  return Promise.all(
    proxies.map(async (child) => ({
      name: child.spec.name,
      standing: await readStanding(child.listening()?.admin, sequence),
    })),
  );
}

async function readStanding(admin: string | undefined, sequence: number | null): Promise<Standing> {
  if (admin === undefined || !(await isReady(admin))) return 'away';
  if (sequence === null) return 'current';
  const metrics = await readMetrics(admin);
  const found = /^hoc_manifest_sequence(?:\{[^}]*\})? (\d+)/m.exec(metrics);
  if (Number(found?.[1] ?? -1) >= sequence) return 'current';
  return /^hoc_degraded\{[^}]*mode="snapshot_not_confirmed"[^}]*\} 1$/m.test(metrics) ? 'behind' : 'away';
}

async function isReady(admin: string): Promise<boolean> {
  const answer = await fetch(`${admin}/readyz`).catch(() => null);
  await answer?.arrayBuffer();
  return answer?.ok === true;
}

async function readMetrics(admin: string): Promise<string> {
  const answer = await fetch(`${admin}/metrics`).catch(() => null);
  return (await answer?.text()) ?? '';
}
