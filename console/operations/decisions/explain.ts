import { type Explanation, explainDecision, renderExplanation } from '../../../policy/rules/index.ts';
import type { Principal } from '../../../storage/schema/control.ts';
import { HocError } from '../../../storage/schema/errors.ts';
import type { RunRow } from '../../../storage/schema/run.ts';
import type { PolicyDocument } from '../../../storage/schema/snapshot.ts';
import type { ExplainedPhase, ExplainedPolicy, ExplainedRun, ShownDecision } from '../../contract/decisions.ts';
import type { ControlContext } from '../context.ts';
import { scopeOf } from '../scope.ts';
import { checkDigests, isOfPolicies } from './again.ts';
import { readPolicyDocument } from './documents.ts';
import { listPhases, type RecordedPhase } from './phases.ts';

/**
 * Explains every phase of a recorded run: its verdict and owner, each policy with the facts that made its condition hold or
 * not, changes, shadow verdicts and tags; for a limit its reading; for a refusal before any decision the stage. From the
 * recorded contexts and the documents of the run's snapshot alone. Throws `not_found`.
 */
export async function explainRun(context: ControlContext, principal: Principal, runId: string): Promise<ExplainedRun> {
  const found = await context.runs.read(scopeOf(principal), runId);
  if (found === null) throw new HocError({ code: 'not_found', publicMessage: 'There is no run of that id' });
  const { run } = found;
  const recorded = listPhases(found);
  const needsDocument = recorded.some(({ open }) => open !== null && isOfPolicies(open));
  const document = needsDocument ? await readPolicyDocument(context, run) : null;
  const phases = recorded.map((phase) => explainPhase(phase, run, document));
  const { run_id, tenant, status, verdict, decided_by, refusal_code, snapshot_id } = run;
  const early = phases.length === 0 ? explainEarlyRefusal(run) : [];
  return {
    ...{ run_id, tenant, status, verdict, decided_by, refusal_code, snapshot_id },
    phases: [...phases, ...early],
  };
}

function explainPhase(recorded: RecordedPhase, run: RunRow, document: PolicyDocument | null): ExplainedPhase {
  const { phase, verdict, decided_by, decision_digest, open } = recorded;
  const head = { ...nothing, phase, verdict, decided_by, decision_digest };
  if (open === null) return { ...head, state: 'erased', words: [nameVerdict(verdict, decided_by, ''), erased] };
  const { context, decision } = open;
  const { reason, modifications, tags } = decision;
  const told = { ...head, ...checkDigests(open, run.snapshot_id), reason, context, modifications, tags };
  const doubts = describeDoubts(told);
  if (!isOfPolicies(open)) {
    return {
      ...told,
      state: 'no_policies',
      words: [nameVerdict(verdict, decided_by, reason), ...nameFacts(open), ...doubts],
    };
  }
  const explanations = document === null ? [] : explainDecision(document.policies, context, decision);
  const words = [...renderExplanation(decision, explanations), ...nameForgone(open), ...nameTags(tags)];
  if (document === null)
    return { ...told, state: 'snapshot_unknown', words: [...words, unknown, ...nameFacts(open), ...doubts] };
  return { ...told, state: 'explained', policies: explanations.map(showPolicy), words: [...words, ...doubts] };
}

const nothing = {
  reason: '',
  context_holds: null,
  decision_holds: null,
  context: null,
  policies: [],
  modifications: [],
  tags: {},
} as const;

const erased = 'what it was decided on is not kept any more, so it cannot be explained';
const unknown = 'the policies of its snapshot are not known here, so their conditions cannot be shown; the facts were:';

/** A run that no decision was recorded of because a stage before refused it. */
function explainEarlyRefusal({ events, verdict, decided_by, refusal_code, reason }: RunRow): ExplainedPhase[] {
  if (refusal_code === null) return [];
  const stage = events.find(({ detail }) => detail.startsWith('refused:'))?.stage ?? null;
  const words = [
    nameVerdict(verdict, decided_by, reason ?? ''),
    `refused as ${refusal_code}, before any policy was asked`,
  ];
  return [
    {
      ...nothing,
      phase: stage,
      state: 'no_policies',
      verdict,
      decided_by,
      reason: reason ?? '',
      decision_digest: null,
      words,
    },
  ];
}

function nameVerdict(verdict: string, owner: string | null, reason: string): string {
  return `${verdict}${owner === null ? '' : ` by ${owner}`}${reason === '' ? '' : `: ${reason}`}`;
}

function nameFacts({ context: { facts, missing } }: ShownDecision): string[] {
  return Object.entries(facts).map(([name, value]) =>
    value === null && missing.includes(name) ? `  ${name} is missing` : `  ${name} is ${JSON.stringify(value)}`,
  );
}

/** Policies that asked for changes of a run that was stopped. */
function nameForgone({ decision: { verdict, matched } }: ShownDecision): string[] {
  const isStopped = verdict === 'deny' || verdict === 'hold';
  return isStopped && matched.some((match) => match.verdict === 'modify')
    ? [`no change was made, since the verdict is ${verdict}`]
    : [];
}

function nameTags(tags: Readonly<Record<string, string>>): string[] {
  const pairs = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? [] : [`tags ${pairs.join(', ')}`];
}

function describeDoubts({ context_holds, decision_holds }: ReturnType<typeof checkDigests>): string[] {
  if (!context_holds) return ['the recorded context does not have its recorded digest: one of them was altered'];
  return decision_holds ? [] : ['its digest was made by another version of the engine, or one of them was altered'];
}

function showPolicy({ isOwner, ...explanation }: Explanation): ExplainedPolicy {
  return { ...explanation, is_owner: isOwner };
}
