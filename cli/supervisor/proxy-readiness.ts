import { setTimeout as delay } from 'node:timers/promises';
import { HocError } from '../../storage/schema/errors.ts';
import type { Fleet } from './fleet.ts';

const patienceMs = 60_000;

/**
 * Waits until the proxy decides with the manifest of this sequence (null: with any), so that a key which was just applied
 * works at once. Throws HocError `not_ready` when it does not get there within a minute.
 */
export async function waitForProxy(fleet: Fleet, sequence: number | null, isStopping: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const admin = fleet
      .children()
      .find((child) => child.spec.name === 'proxy')
      ?.listening()?.admin;
    if (admin !== undefined && (await isReady(admin)) && (sequence === null || (await sequenceOf(admin)) >= sequence))
      return;
    if (Date.now() > deadline || isStopping()) {
      throw new HocError({
        code: 'not_ready',
        publicMessage: 'The proxy did not take the configuration within a minute; see proxy.log.',
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
