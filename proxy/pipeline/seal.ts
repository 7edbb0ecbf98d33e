import { canonicalJson, commit } from '../../policy/evidence/index.ts';
import type { DecisionRecord } from '../../policy/rules/index.ts';
import type { Commitments, OpenDecision, OpenValues, PhaseVerdict } from '../../storage/schema/record.ts';
import type { IdPort } from './ports.ts';
import type { Run, Sealed } from './run.ts';

/** The commitments of a run that has no erasable value at all. */
export const noCommitments: Commitments = {
  actor: null,
  session: null,
  tags: null,
  context: null,
  request: null,
  response: null,
};

/**
 * Commits to a run's erasable values: actor, session, tags, the recorded context and the request body.
 *
 * Each value has a salt of its own, so that opening or erasing one says nothing about another.
 */
export function sealRun(ids: IdPort, run: Run): Sealed {
  const commitments: Commitments = { ...noCommitments };
  const open: OpenValues = {};
  if (run.actor !== null) {
    const salt = ids.salt();
    open.actor = { salt, ...run.actor };
    commitments.actor = commit(salt, canonicalJson(run.actor));
  }
  if (run.session !== null) {
    const salt = ids.salt();
    open.session = { salt, id: run.session };
    commitments.session = commit(salt, run.session);
  }
  commitTags(ids, run.tags, { commitments, open });
  if (run.decided !== null) commitDecision(ids.salt(), run.decided, { commitments, open });
  const request = committedRequest(run);
  if (request !== null && request.length > 0) {
    const salt = ids.salt();
    open.request_salt = salt;
    commitments.request = commit(salt, request);
  }
  return { commitments, open };
}

/** The body as it came; of a redacting tenant what is kept of it, for a digest would tell what was taken out. */
function committedRequest(run: Run): Uint8Array | null {
  const redacts = run.identified?.tenant.document.capture === 'redacted';
  return redacts ? run.redactedRequest : (run.read?.body ?? null);
}

/** Commits to what was decided and tagged since the run's intent, in place of what its intent said. */
export function sealDecision(ids: IdPort, run: Run): void {
  if (run.sealed === null || run.decided === null) return;
  const sealed = { commitments: { ...run.sealed.commitments }, open: { ...run.sealed.open } };
  commitDecision(ids.salt(), run.decided, sealed);
  if (sealed.open.tags?.values !== run.tags) commitTags(ids, run.tags, sealed);
  run.sealed = sealed;
}

/** What each phase decided: the verdicts for the record, and the values behind their commitments. Null for a single phase. */
export function sealPhases(ids: IdPort, run: Run): { verdicts: PhaseVerdict[]; open: OpenDecision[] } | null {
  const { decisions, decided } = run;
  if (decisions.length === 0 || (decisions.length === 1 && decisions[0] === decided)) return null;
  const sealed = decisions.map((record) => ({ record, salt: ids.salt() }));
  return {
    verdicts: sealed.map(({ record: { decision, decisionDigest, context, contextJson }, salt }) => ({
      phase: context.phase,
      verdict: decision.verdict,
      decided_by: decision.owner,
      decision_digest: decisionDigest,
      context: commit(salt, contextJson),
    })),
    open: sealed.map(({ record: { decision, decisionDigest, context, contextDigest }, salt }) => ({
      ...{ salt, context, context_digest: contextDigest },
      ...{ decision, decision_digest: decisionDigest },
    })),
  };
}

function commitTags(ids: IdPort, tags: Run['tags'], { commitments, open }: Sealed): void {
  if (Object.keys(tags).length === 0) return;
  const salt = ids.salt();
  open.tags = { salt, values: tags };
  commitments.tags = commit(salt, canonicalJson(tags));
}

function commitDecision(salt: string, decided: DecisionRecord, { commitments, open }: Sealed): void {
  open.context = { salt, value: decided.context, digest: decided.contextDigest };
  open.decision = decided.decision;
  commitments.context = commit(salt, decided.contextJson);
}
