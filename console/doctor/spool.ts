import type { DoctorFinding } from '../contract/api.ts';

/** One sample of Prometheus' text form: the value, and where it came from. */
export interface Sample {
  value: number;
  process: string;
}

const lateSeconds = 60;

/** Samples of one metric in Prometheus' text form. */
export function readSamples(text: string, name: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const [, labels, value] = new RegExp(`^${name}(?:\\{([^}]*)\\})?\\s+(\\S+)`).exec(line) ?? [];
    if (value === undefined) continue;
    samples.push({ value: Number(value), process: /process="([^"]*)"/.exec(labels ?? '')?.[1] ?? 'proxy' });
  }
  return samples;
}

/**
 * Judges the spools by the metrics of an admin address: a spool whose oldest segment waits for more than a minute is not
 * being shipped. What is damaged in them is for control to say, which knows what was acknowledged.
 */
export function judgeSpools(metrics: string): DoctorFinding[] {
  const check = 'spool';
  const bytes = readSamples(metrics, 'hoc_spool_bytes');
  if (bytes.length === 0)
    return [{ check, severity: 'warning', message: 'No proxy reports its spool at the admin address' }];
  const findings: DoctorFinding[] = [];
  for (const age of readSamples(metrics, 'hoc_spool_age_seconds').filter((sample) => sample.value > lateSeconds)) {
    const waiting = bytes.find((sample) => sample.process === age.process)?.value ?? 0;
    if (waiting === 0) continue;
    const message = `${age.process}: ${waiting} bytes wait for ${Math.round(age.value)} s; is the shipper running, does ClickHouse answer?`;
    findings.push({ check, severity: 'error', message });
  }
  if (findings.length > 0) return findings;
  const total = bytes.reduce((sum, sample) => sum + sample.value, 0);
  return [{ check, severity: 'ok', message: `${total} bytes wait in the spools, none for long` }];
}
