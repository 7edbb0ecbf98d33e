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
export { checkPattern, checkStreamPattern } from './pattern.ts';
export { weighPattern } from './pattern-weight.ts';
export { redact } from './redact.ts';
export { redactJsonText } from './redact-body.ts';
export { compileMatch, type ScanTest, scan, warmScans, weighPatterns } from './scan.ts';
