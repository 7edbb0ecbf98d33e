import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A process of an installation, by the name that the supervisor gives it; the supervisor is `supervisor`. */
export interface Target {
  name: string;
  pid: number;
}

interface Recorded extends Target {
  startTicks: string;
  bootId: string;
}

/** The living processes of the installation in `data`, as `children.json` and the process table agree on them. */
export function listTargets(data: string): Target[] {
  const read = <T>(name: string): T | null => {
    try {
      return JSON.parse(readFileSync(join(data, name), 'utf8')) as T;
    } catch {
      // Not written yet, or being replaced.
      return null;
    }
  };
  const children = (read<Recorded[]>('children.json') ?? []).filter(
    ({ pid, startTicks }) => startTicksOf(pid) === startTicks,
  );
  const supervisor = read<{ pid: number }>('run.json');
  // It names itself, so its arguments are not to be seen.
  const isOurs = supervisor !== null && commandOf(supervisor.pid).startsWith('hoc start');
  return [
    ...children.map(({ name, pid }) => ({ name, pid })),
    ...(isOurs ? [{ name: 'supervisor', pid: supervisor.pid }] : []),
  ];
}

/** The process of that name; throws where it does not live now. */
export function findTarget(data: string, name: string): Target {
  const found = listTargets(data).find((target) => target.name === name);
  if (found === undefined) throw new Error(`No process ${name} lives in ${data}.`);
  return found;
}

/** Resident memory in bytes; 0 where the process is gone. */
export function readResidentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readProcess(pid, 'status') ?? '');
  return Number(found?.[1] ?? 0) * 1024;
}

/** The same start means the same process: pids are used again. Null where it is gone or a zombie. */
function startTicksOf(pid: number): string | null {
  const stat = readProcess(pid, 'stat');
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
}

function commandOf(pid: number): string {
  return (readProcess(pid, 'cmdline') ?? '').split('\0').join(' ');
}

function readProcess(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return null;
  }
}
