import type { DecisionContext } from '../../../storage/schema/decision.ts';
import type { PhaseVerdict } from '../../../storage/schema/record.ts';
import type { ShownDecision } from '../../contract/decisions.ts';
import type { DecidedRun, RecordedRun } from '../ports.ts';

const phaseOrder: readonly DecisionContext['phase'][] = [
  'identify',
  'request',
  'reserve',
  'admit',
  'response',
  'stream',
];

type Recorded = Pick<DecidedRun, 'context' | 'context_digest' | 'decision' | 'decision_digest' | 'decisions'>;

/**
 * Everything that was decided of a run, in the order of phases: what its phases recorded, and the run's own decision where that
 * is none of them, as a limit's is. What was erased is not in it.
 */
export function listDecisions(recorded: Recorded): ShownDecision[] {
  const { context, context_digest, decision, decision_digest, decisions } = recorded;
  const listed: ShownDecision[] = [...(decisions ?? [])];
  const isListed = listed.some((one) => one.decision_digest === decision_digest);
  if (context !== null && decision !== null && !isListed)
    listed.push({ context, context_digest, decision, decision_digest });
  return listed.sort((a, b) => phaseOrder.indexOf(a.context.phase) - phaseOrder.indexOf(b.context.phase));
}

/** One phase of a run as it stands on record: `open` is null where its values were erased. */
export interface RecordedPhase extends Omit<PhaseVerdict, 'phase' | 'context'> {
  phase: PhaseVerdict['phase'] | null;
  open: ShownDecision | null;
}

/** The same, with the phases of which only the sealed record tells any more. */
export function listPhases(found: RecordedRun): RecordedPhase[] {
  const { run } = found;
  const open = listDecisions({ ...found, context_digest: run.context_digest, decision_digest: run.decision_digest });
  const phases: RecordedPhase[] = open.map((one) => ({
    phase: one.context.phase,
    verdict: one.decision.verdict,
    decided_by: one.decision.owner,
    decision_digest: one.decision_digest ?? '',
    open: one,
  }));
  const isKnown = (digest: string): boolean => phases.some((one) => one.decision_digest === digest);
  for (const { phase, verdict, decided_by, decision_digest } of readSealedPhases(found))
    if (!isKnown(decision_digest)) phases.push({ phase, verdict, decided_by, decision_digest, open: null });
  const { verdict, decided_by, decision_digest } = run;
  if (decision_digest !== null && !isKnown(decision_digest))
    phases.push({ phase: null, verdict, decided_by, decision_digest, open: null });
  return phases.sort((a, b) => rank(a) - rank(b));
}

function rank({ phase }: RecordedPhase): number {
  return phase === null ? phaseOrder.length : phaseOrder.indexOf(phase);
}

/** The phases that the run's standing record names; none in an intent, and where a single phase decided. */
function readSealedPhases({ run, records }: RecordedRun): readonly PhaseVerdict[] {
  const raw = records.find(({ leaf_hash }) => leaf_hash === run.leaf_hash)?.raw;
  return raw === undefined ? [] : ((JSON.parse(raw) as { decisions?: readonly PhaseVerdict[] }).decisions ?? []);
}
