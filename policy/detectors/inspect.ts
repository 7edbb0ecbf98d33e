import { detect } from './detect.ts';
import type { Detection, DetectorId } from './detector.ts';
import { redactBody } from './redact-body.ts';
import { countPasses, countWorstSteps, type ScanTest, scan } from './scan.ts';
import { detectTools } from './tools/tools.ts';

/** What is to be found out about some texts. Plain data, so that it can be sent to another thread. */
export interface InspectionJob {
  /** Each is looked through by itself, so that a finding lies within one. */
  texts: readonly string[];
  detectors: readonly DetectorId[];
  /** Whole contents and what is tested of each. */
  contents: readonly { text: string; tests: readonly ScanTest[] }[];
  /** Calls of tools to be counted by `detectTools`; null where they are not looked for. */
  tools: { names: readonly string[]; argumentTexts: readonly string[] } | null;
  /** Whole bodies that these detectors are to be taken out of. */
  bodies: readonly { text: string; detectors: readonly DetectorId[] }[];
}

/** A job that asks for nothing. */
export const idleJob: InspectionJob = { texts: [], detectors: [], contents: [], tools: null, bodies: [] };

export interface Inspection {
  /** Findings in each of `texts`. */
  found: readonly (readonly Detection[])[];
  /** Answers to the tests of each of `contents`. */
  tests: readonly (readonly (boolean | number)[])[];
  /** What was found in `tools`; null where they were not looked for. */
  dangerousTools: number | null;
  /** `bodies`, redacted. */
  redacted: readonly string[];
}

/** What a text costs however short it is, as UTF-16 units. */
const unitsOfText = 64;

/**
 * UTF-16 units that a job reads, once for each detector and each pass that its tests take at worst, a body twice for each detector, and 64 more for each
 * text: its work grows with them and with nothing else, about 20 us for 1,024.
 */
export function sizeOf({ texts, detectors, contents, tools, bodies }: InspectionJob): number {
  return (
    (lengthOf(texts) + texts.length * unitsOfText) * detectors.length +
    contents.reduce((sum, { text, tests }) => sum + text.length * countPasses(tests), 0) +
    lengthOf(tools?.argumentTexts ?? []) +
    bodies.reduce((sum, { text, detectors: ids }) => sum + 2 * text.length * ids.length, 0)
  );
}

/** Steps, of at most 80 ns, that the patterns of a job take at worst: on a text made for that. */
export function worstStepsOf({ contents }: InspectionJob): number {
  return contents.reduce((sum, { text, tests }) => sum + text.length * countWorstSteps(tests), 0);
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0);
}

/** Runs detectors and tests over texts. Pure; in time linear in `sizeOf`. */
export function inspectTexts({ texts, detectors, contents, tools, bodies }: InspectionJob): Inspection {
  return {
    found: texts.map((text) => detect(text, detectors)),
    tests: contents.map(({ text, tests }) => scan(text, tests)),
    dangerousTools: tools === null ? null : detectTools(tools.names, tools.argumentTexts).length,
    redacted: bodies.map(({ text, detectors: ids }) => redactBody(text, ids)),
  };
}
