import {
  type Detection,
  type DetectorId,
  type Inspection,
  type InspectionJob,
  inspectTexts,
  sizeOf,
} from '../../policy/detectors/index.ts';
import type { CompiledPolicies, Scan } from '../../policy/rules/index.ts';
import type { FactValue } from '../../storage/schema/decision.ts';
import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import type { Contents, PhaseTexts } from './phase-texts.ts';
import type { Gate } from './ports.ts';

/** UTF-16 units that are looked through where they came; about a millisecond. More goes to the inspector's thread. */
const inlineUnits = 16 * 1024;
/** UTF-16 units beyond which nothing is looked through: the facts are missing, and each policy's `on_error` decides. */
const mostUnits = 16 * 1024 * 1024;

export interface InspectedTexts {
  /** Value of a detector's count or of a scan, by the name of its fact; undefined where it was not looked for or not found out. */
  read(name: string): FactValue | undefined;
  /** Findings in each of the texts; null where they could not be looked through. */
  found: readonly (readonly Detection[])[] | null;
}

/** Whether the policies name anything that a phase's texts must be looked through for. */
export function namesTexts(policies: CompiledPolicies, phase: PolicyPhase): boolean {
  return policies.scansNamed(phase).length > 0 || policies.detectorsNamed(phase).length > 0;
}

/**
 * Runs the detectors and scans that the policies name for a phase over its texts: at once where they are short, else on the
 * inspector's thread. What cannot be found out is left missing, and the failure is told; never rejects.
 */
export function inspectPhase(
  gate: Pick<Gate, 'inspector' | 'telemetry'>,
  policies: CompiledPolicies,
  brought: PhaseTexts,
): InspectedTexts | Promise<InspectedTexts> {
  const plan = planInspection(policies, brought);
  const describe = (inspection: Inspection | null) => readInspection(inspection, plan);
  const { job } = plan;
  const size = sizeOf(job);
  if (size <= inlineUnits) return describe(inspectTexts(job));
  if (size > mostUnits) return describe(null);
  return gate.inspector.inspect(job).then(describe, (error: unknown) => {
    gate.telemetry.failed('inspect', error);
    return describe(null);
  });
}

/** The same at once, for texts that are short by themselves: the window of a stream, which waits for its verdict. */
export function inspectHere(policies: CompiledPolicies, brought: PhaseTexts): InspectedTexts {
  const plan = planInspection(policies, brought);
  return readInspection(inspectTexts(plan.job), plan);
}

interface AskedContent {
  text: string;
  scans: readonly Scan[];
}

interface Plan {
  job: InspectionJob;
  brought: PhaseTexts;
  asked: readonly AskedContent[];
}

function planInspection(policies: CompiledPolicies, brought: PhaseTexts): Plan {
  const asked = groupScans(policies.scansNamed(brought.phase), brought.contents);
  const job: InspectionJob = {
    texts: brought.texts ?? [],
    detectors: policies.detectorsNamed(brought.phase) as readonly DetectorId[],
    contents: asked.map(({ text, scans }) => ({ text, tests: scans.map(({ test, pattern }) => ({ test, pattern })) })),
  };
  return { job, brought, asked };
}

function groupScans(scans: readonly Scan[], contents: Contents): AskedContent[] {
  const asked: AskedContent[] = [];
  for (const [fact, text] of contents) {
    const own = scans.filter((scan) => scan.fact === fact);
    if (text !== null && own.length > 0) asked.push({ text, scans: own });
  }
  return asked;
}

function readInspection(inspection: Inspection | null, { job, brought, asked }: Plan): InspectedTexts {
  const values = new Map<string, FactValue>();
  const found = inspection === null || brought.texts === null ? null : inspection.found;
  if (found !== null) {
    for (const id of job.detectors) {
      const count = found.reduce((sum, one) => sum + one.filter(({ detector }) => detector === id).length, 0);
      values.set(`${brought.prefix}${id}`, count);
    }
  }
  asked.forEach(({ scans }, index) => {
    scans.forEach((scan, at) => {
      const value = inspection?.tests[index]?.[at];
      if (value !== undefined) values.set(scan.name, value);
    });
  });
  return { read: (name) => values.get(name), found };
}
