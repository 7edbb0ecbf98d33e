import { readFileSync } from 'node:fs';
import {
  type DetectorScore,
  detectorIds,
  detectorVersion,
  measureDetectors,
  readLabelled,
  type Score,
} from '../../policy/detectors/index.ts';

/** Where the labelled sets lie: beside the compiled detectors. */
const folder = new URL('../../policy/detectors/labelled/', import.meta.url);

/** What `hoc detectors measure` found, as `--json` prints it. */
export interface MeasureReport {
  version: string;
  detectors: readonly DetectorScore[];
}

/**
 * Measures the detectors on their labelled sets and prints precision and recall, by text and by span, with the counts; with
 * `failures` also what was judged wrong (texts of the sets, all made up); with `json` a report. Returns the exit code, 0.
 */
export async function runDetectorsMeasure(input: { json: boolean; failures: boolean }): Promise<number> {
  const texts = detectorIds.flatMap((id) => readLabelled(id, readFileSync(new URL(`${id}.jsonl`, folder), 'utf8')));
  const detectors = measureDetectors(texts);
  if (input.json) {
    const report: MeasureReport = { version: detectorVersion, detectors };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return 0;
  }
  process.stdout.write(`${detectorVersion}\n${header}\n`);
  for (const score of detectors) {
    process.stdout.write(`${describe(score)}\n`);
    if (input.failures)
      for (const { kind, text, note } of score.failures)
        process.stdout.write(`  ${kind} ${JSON.stringify(text)} ${note}\n`);
  }
  return 0;
}

const header = `${'detector'.padEnd(18)}texts    by text: precision recall (right wrong missed)   by span: precision recall (right wrong missed)`;

function describe({ detector, positives, negatives, byText, bySpan }: DetectorScore): string {
  return `${detector.padEnd(18)}+${positives} -${negatives}   ${describeScore(byText)}   ${describeScore(bySpan)}`;
}

function describeScore({ precision, recall, right, wrong, missed }: Score): string {
  return `${precision.toFixed(3)} ${recall.toFixed(3)} (${right} ${wrong} ${missed})`;
}
