import type { ControlContext } from '../operations/context.ts';
import type { DiagnosisPort } from '../operations/diagnose.ts';
import { examineJob, examineRecords } from '../operations/examine-records.ts';
import { publishJob } from '../operations/snapshot/announce.ts';
import { readManifest } from '../operations/snapshot/read.ts';
import { refreshJob, refreshSnapshot } from '../operations/snapshot/refresh.ts';

/** Name of the queue of control's jobs. */
export const controlQueue = 'control';

/** Jobs that run on their own, with their period. */
export const schedule: readonly { name: string; everyMs: number }[] = [
  { name: refreshJob, everyMs: 5_000 },
  { name: examineJob, everyMs: 60_000 },
];

/**
 * What each job does. A job that throws is tried again by the queue. `snapshot.publish` announces the manifest in force
 * by now, which may be a later one than the one that could not be announced.
 */
export function createHandlers(
  context: ControlContext,
  diagnosis: Pick<DiagnosisPort, 'sequences'>,
): Readonly<Record<string, () => Promise<void>>> {
  return {
    [publishJob]: async () => context.channel.publish((await readManifest(context)).id),
    [refreshJob]: () => refreshSnapshot(context),
    [examineJob]: () => examineRecords(context, diagnosis),
  };
}
