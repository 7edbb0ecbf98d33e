import { readFileSync } from 'node:fs';

/** Clock ticks a second in /proc; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** CPU time a process has used so far, user and system, in microseconds; null where it is gone. */
export function readCpuUs(pid: number): number | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // No such process any more: a restart under load, which the caller reports.
    return null;
  }
  // The name, in brackets, may hold spaces; the fields after it are fixed (proc(5): utime is field 14, stime 15).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond;
}
