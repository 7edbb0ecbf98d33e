import { readFileSync } from 'node:fs';

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to its start, field 22 of /proc/<pid>/stat. */
  startTicks: string;
  /** The boot that the ticks count from. */
  bootId: string;
}

let bootId: string | null = null;

/** Names a living process, or null when there is none with this pid (a zombie counts as gone). */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const stat = readProcess(pid, 'stat');
  if (stat === null) return null;
  // The second field is the command in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  if (state === undefined || startTicks === undefined || state === 'Z' || state === 'X') return null;
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return { pid, startTicks, bootId };
}

/** Whether exactly this process still lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  const found = identifyProcess(identity.pid);
  return found !== null && found.startTicks === identity.startTicks && found.bootId === identity.bootId;
}

/** The command line of a process with spaces between its words; empty when it is gone. */
export function readCommand(pid: number): string {
  return (readProcess(pid, 'cmdline') ?? '').split('\0').join(' ').trim();
}

function readProcess(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return null;
  }
}
