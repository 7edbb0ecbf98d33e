import type { DoctorFinding } from '../contract/api.ts';
import { readSamples } from './spool.ts';

/** Says, by the metrics of an admin address, whether a configuration was refused while an earlier one stays in force. */
export function judgeConfiguration(metrics: string): DoctorFinding[] {
  const check = 'configuration';
  const alarms = readSamples(metrics, 'hoc_configuration_alarms').reduce((sum, { value }) => sum + value, 0);
  if (alarms === 0) return [];
  const message =
    'A configuration was refused and the last good one stays in force; /readyz of the admin address says why. Correct it, then use hoc apply';
  return [{ check, severity: 'error', message }];
}
