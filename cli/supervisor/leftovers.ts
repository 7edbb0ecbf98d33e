import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readJson, writeJson } from './folder.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-table.ts';

/** A child as `DIR/children.json` remembers it. */
export interface RecordedChild extends ProcessIdentity {
  name: string;
  stopSignal: NodeJS.Signals;
}

/** The list of living children on disk, so that a later start can end exactly those that outlived their supervisor. */
export interface ChildRecord {
  add(name: string, pid: number, stopSignal: NodeJS.Signals): void;
  remove(pid: number): void;
}

const fileName = 'children.json';

/** Starts an empty record. Call it only after `endLeftovers`: it forgets what an earlier supervisor wrote. */
export function openChildRecord(folder: string): ChildRecord {
  const path = join(folder, fileName);
  let children: RecordedChild[] = [];
  const save = (): void => writeJson(path, children);
  save();
  return {
    add(name, pid, stopSignal) {
      const identity = identifyProcess(pid);
      if (identity === null) return;
      children.push({ ...identity, name, stopSignal });
      save();
    },
    remove(pid) {
      children = children.filter((child) => child.pid !== pid);
      save();
    },
  };
}

/**
 * Ends the children that an earlier supervisor of this folder left behind, and only those: a process that merely reused
 * a recorded pid has another start time and is not touched. Asks first, kills after `graceMs`, and returns the names it
 * had to end once they are gone.
 */
export async function endLeftovers(folder: string, graceMs = 10_000): Promise<string[]> {
  const recorded = readJson<RecordedChild[]>(join(folder, fileName)) ?? [];
  const living = recorded.filter(isAlive);
  for (const child of living) signal(child, child.stopSignal);
  const deadline = Date.now() + graceMs;
  while (living.some(isAlive) && Date.now() < deadline) await delay(25);
  for (const child of living.filter(isAlive)) signal(child, 'SIGKILL');
  while (living.some(isAlive)) await delay(25);
  return living.map((child) => child.name);
}

function signal(child: RecordedChild, name: NodeJS.Signals): void {
  try {
    process.kill(child.pid, name);
  } catch (error) {
    // Gone between the look and the signal: what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
