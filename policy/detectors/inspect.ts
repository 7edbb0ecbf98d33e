import { detect } from './detect.ts';
import type { Detection, DetectorId } from './detector.ts';
import { type ScanTest, scan } from './scan.ts';

/** What is to be found out about some texts. Plain data, so that it can be sent to another thread. */
export interface InspectionJob {
  /** Each is looked through by itself, so that a finding lies within one. */
  texts: readonly string[];
  detectors: readonly DetectorId[];
  /** Whole contents and what is tested of each. */
  contents: readonly { text: string; tests: readonly ScanTest[] }[];
}

export interface Inspection {
  /** Findings in each of `texts`. */
  found: readonly (readonly Detection[])[];
  /** Answers to the tests of each of `contents`. */
  tests: readonly (readonly (boolean | number)[])[];
}

/** UTF-16 units that a job reads, each test of a content counted by itself: its work grows with them and with nothing else. */
export function sizeOf(job: InspectionJob): number {
  const texts = job.detectors.length === 0 ? 0 : job.texts.reduce((sum, text) => sum + text.length, 0);
  return job.contents.reduce((sum, { text, tests }) => sum + text.length * tests.length, texts);
}

/** Runs detectors and tests over texts. Pure; in time linear in `sizeOf`. */
export function inspectTexts({ texts, detectors, contents }: InspectionJob): Inspection {
  return {
    found: texts.map((text) => detect(text, detectors)),
    tests: contents.map(({ text, tests }) => scan(text, tests)),
  };
}
