export {
  type DetectorDescription,
  describeDetectors,
  detectorIds,
  detectorVersion,
  sensitiveDetectors,
} from './catalogue.ts';
export { detect, warmDetectors } from './detect.ts';
export type { Detection, DetectorId } from './detector.ts';
export { type Inspection, type InspectionJob, idleJob, inspectTexts, sizeOf, worstStepsOf } from './inspect.ts';
export { type LabelledText, readLabelled } from './labelled.ts';
export { type DetectorScore, measureDetectors, type Score } from './measure.ts';
export { checkPattern } from './pattern.ts';
export { redact } from './redact.ts';
export { type ScanTest, scan } from './scan.ts';
