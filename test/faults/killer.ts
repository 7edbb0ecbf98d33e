import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from './random.ts';
import { findTarget, listTargets } from './targets.ts';

/** One thing that happens to one process. Times are ms after the round before is over. */
export interface Blow {
  round: number;
  victim: string;
  afterMs: number;
  /** `kill` is SIGKILL; `freeze` is SIGSTOP, and SIGCONT after `frozenMs`. */
  act: 'kill' | 'freeze';
  frozenMs: number;
}

/**
 * The schedule of a proof: the same for the same seed. No victim comes again within `apart` rounds, since a supervisor
 * gives up a child that crashes five times within a minute.
 */
export function planBlows(input: {
  random: Random;
  rounds: number;
  victims: readonly string[];
  /** Share of blows that freeze instead of kill; the supervisor is only killed. */
  freezes?: number;
  longestWaitMs?: number;
}): Blow[] {
  const { random, rounds, victims, freezes = 0.15, longestWaitMs = 1500 } = input;
  const apart = Math.min(4, victims.length - 1);
  const blows: Blow[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const recent = blows.slice(-apart).map((blow) => blow.victim);
    const victim = random.pick(victims.filter((name) => !recent.includes(name)));
    const act = random.chance(freezes) && victim !== 'supervisor' ? 'freeze' : 'kill';
    blows.push({
      round,
      victim,
      afterMs: random.between(0, longestWaitMs),
      act,
      frozenMs: random.between(100, 1500),
    });
  }
  return blows;
}

/** Sends SIGKILL to a named process of the installation in `data` and waits until it is gone. */
export async function killTarget(data: string, name: string): Promise<void> {
  const { pid } = findTarget(data, name);
  process.kill(pid, 'SIGKILL');
  while (listTargets(data).some((target) => target.pid === pid)) await delay(5);
}

/** Stops a named process where it stands and answers how to let it go on; that does nothing where it has ended. */
export function freezeTarget(data: string, name: string): () => void {
  const { pid } = findTarget(data, name);
  process.kill(pid, 'SIGSTOP');
  return () => {
    if (listTargets(data).some((target) => target.pid === pid)) process.kill(pid, 'SIGCONT');
  };
}
