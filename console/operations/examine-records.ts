import type { ControlContext } from './context.ts';
import type { DiagnosisPort } from './diagnose.ts';

/** Job that looks for gaps in what proxies recorded. */
export const examineJob = 'records.examine';

/** Shows in the metrics how many ranges of each proxy's sequence are missing. Rejects where ClickHouse does not answer. */
export async function examineRecords(
  context: ControlContext,
  diagnosis: Pick<DiagnosisPort, 'sequences'>,
): Promise<void> {
  const gaps = new Map<string, number>();
  for (const { proxyId, gaps: missing } of await diagnosis.sequences()) {
    gaps.set(proxyId, (gaps.get(proxyId) ?? 0) + missing.length);
  }
  context.metrics.sequencesSeen(gaps);
}
