import { setTimeout as delay } from 'node:timers/promises';
import { HocError } from '../../storage/schema/errors.ts';
import type { Fleet } from './fleet.ts';

const patienceMs = 60_000;

/**
 * Waits until every proxy decides with the manifest of this sequence (null: with any), so that a key which was just applied
 * works at once. Throws HocError `not_ready` when one does not get there within a minute.
 */
export async function waitForProxies(fleet: Fleet, sequence: number | null, isStopping: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMs;
  const isCurrent = async (admin: string | undefined): Promise<boolean> =>
    admin !== undefined && (await isReady(admin)) && (sequence === null || (await sequenceOf(admin)) >= sequence);
  for (;;) {
    const proxies = fleet.children().filter((child) => child.spec.name.startsWith('proxy'));
    const current = await Promise.all(proxies.map((child) => isCurrent(child.listening()?.admin)));
    if (current.length > 0 && !current.includes(false)) return;
    if (Date.now() > deadline || isStopping()) {
      const late = proxies[current.indexOf(false)]?.spec.name ?? 'proxy';
      throw new HocError({
        code: 'not_ready',
        publicMessage: `${late} did not take the configuration within a minute; see ${late}.log.`,
      });
    }
    await delay(20);
  }
}

async function isReady(admin: string): Promise<boolean> {
  const answer = await fetch(`${admin}/readyz`).catch(() => null);
  await answer?.arrayBuffer();
  return answer?.ok === true;
}

async function sequenceOf(admin: string): Promise<number> {
  const answer = await fetch(`${admin}/metrics`).catch(() => null);
  const found = /^hoc_manifest_sequence(?:\{[^}]*\})? (\d+)/m.exec((await answer?.text()) ?? '');
  return Number(found?.[1] ?? -1);
}
