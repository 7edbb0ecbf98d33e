import {
  type Detection,
  type DetectorId,
  type Inspection,
  type InspectionJob,
  idleJob,
  inspectTexts,
  sizeOf,
  worstStepsOf,
} from '../../policy/detectors/index.ts';
import type { CompiledPolicies, Scan } from '../../policy/rules/index.ts';
import type { FactValue } from '../../storage/schema/decision.ts';
import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import type { PhaseTexts } from './phase-texts.ts';
import type { Run } from './run.ts';
import { scansByFact } from './scans-by-fact.ts';

/** Size of a job (`sizeOf`) that is done where it came, in about a millisecond. More goes to the inspector's thread. */
const inlineSize = 48 * 1024;
/** The same of what its patterns take at worst (`worstStepsOf`): about 5 ms. */
const inlineSteps = 60_000;
/** Size beyond which nothing is looked through: what it would have told is missing. About a second of the thread. */
const mostSize = 64 * 1024 * 1024;

/** Its count is of calls, by their names and arguments, not of the texts. */
const toolDetector = 'dangerous_tools';

export interface InspectedTexts {
  /** Value of a detector's count or of a scan, by the name of its fact; undefined where it was not looked for or not found out. */
  read(name: string): FactValue | undefined;
  /** Findings in each of the texts; null where they could not be looked through. */
  found: readonly (readonly Detection[])[] | null;
  /** Detectors that found something in no single one of the texts: what they found has no place in which it could be replaced. */
  unplaced: ReadonlySet<string>;
}

/** Whether the policies name anything that a phase's texts must be looked through for. */
export function namesTexts(policies: CompiledPolicies, phase: PolicyPhase): boolean {
  return policies.scansNamed(phase).length > 0 || policies.detectorsNamed(phase).length > 0;
}

/**
 * Runs the detectors and scans that the policies name for a phase over its texts. What cannot be found out is left missing, and each
 * policy's `on_error` decides; never rejects.
 */
export function inspectPhase(
  run: Inspecting,
  policies: CompiledPolicies,
  brought: PhaseTexts,
): InspectedTexts | Promise<InspectedTexts> {
  const plan = planInspection(policies, brought);
  const inspection = runInspection(run, plan.job);
  if (inspection instanceof Promise) return inspection.then((late) => readInspection(late, plan));
  return readInspection(inspection, plan);
}

/** What an inspection needs of its run. */
export type Inspecting = Pick<Run, 'gate' | 'identified'>;

/**
 * Does a job at once where it is small, else on the inspector's thread. Null where it is too large or the thread fails, which is
 * told; never rejects.
 */
export function runInspection(
  { gate, identified }: Inspecting,
  job: InspectionJob,
): Inspection | null | Promise<Inspection | null> {
  const size = sizeOf(job);
  if (size <= inlineSize && worstStepsOf(job) <= inlineSteps) return inspectTexts(job);
  if (size > mostSize) {
    gate.telemetry.failed('inspect', new RangeError('a text is too long to be looked through'));
    return null;
  }
  return gate.inspector.inspect(identified?.tenant.tenant ?? '', job).catch((error: unknown) => {
    gate.telemetry.failed('inspect', error);
    return null;
  });
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
  const asked = groupScans(policies, brought);
  const detectors = policies.detectorsNamed(brought.phase) as readonly DetectorId[];
  const job: InspectionJob = {
    ...idleJob,
    texts: brought.texts === null ? [] : [...brought.texts, ...brought.extras.map(({ text }) => text)],
    detectors,
    contents: asked.map(({ text, scans }) => ({ text, tests: scans })),
    tools: detectors.includes(toolDetector) ? brought.tools : null,
  };
  return { job, brought, asked };
}

function groupScans(policies: CompiledPolicies, { phase, contents }: PhaseTexts): AskedContent[] {
  const asked: AskedContent[] = [];
  for (const [fact, scans] of scansByFact(policies.scansNamed(phase))) {
    const text = contents.get(fact) ?? null;
    if (text !== null) asked.push({ text, scans });
  }
  return asked;
}

function readInspection(inspection: Inspection | null, { job, brought, asked }: Plan): InspectedTexts {
  const values = new Map<string, FactValue>();
  const found = inspection === null || brought.texts === null ? null : inspection.found;
  const unplaced = new Set<string>();
  if (found !== null) {
    const counts = countFindings(found, brought);
    for (const id of job.detectors) {
      const { placed = 0, elsewhere = 0 } = counts.get(id) ?? {};
      if (id !== toolDetector) values.set(`${brought.prefix}${id}`, placed + elsewhere);
      if (elsewhere > 0) unplaced.add(id);
    }
  }
  const calls = inspection?.dangerousTools ?? null;
  if (calls !== null) values.set(`${brought.prefix}${toolDetector}`, calls);
  asked.forEach(({ scans }, index) => {
    scans.forEach((scan, at) => {
      const value = inspection?.tests[index]?.[at];
      if (value !== undefined) values.set(scan.name, value);
    });
  });
  return { read: (name) => values.get(name), found: found?.slice(0, brought.texts?.length ?? 0) ?? null, unplaced };
}

/** Findings in the texts, and those that an extra has beyond the texts that it is made of. */
function countFindings(
  found: readonly (readonly Detection[])[],
  { texts, extras }: PhaseTexts,
): ReadonlyMap<string, { placed: number; elsewhere: number }> {
  const counts = new Map<string, { placed: number; elsewhere: number }>();
  const countOf = (id: string) => {
    const known = counts.get(id) ?? { placed: 0, elsewhere: 0 };
    counts.set(id, known);
    return known;
  };
  const placed = texts?.length ?? 0;
  for (const one of found.slice(0, placed)) for (const { detector } of one) countOf(detector).placed += 1;
  extras.forEach(({ of }, index) => {
    const own = found[placed + index] ?? [];
    for (const id of new Set(own.map(({ detector }) => detector))) {
      const isOwn = ({ detector }: Detection) => detector === id;
      const known = of.reduce((sum, at) => sum + (found[at] ?? []).filter(isOwn).length, 0);
      countOf(id).elsewhere += Math.max(0, own.filter(isOwn).length - known);
    }
  });
  return counts;
}
