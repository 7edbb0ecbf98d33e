import { canonicalJson, commit } from '../../policy/evidence/index.ts';
import type { Commitments, OpenValues } from '../../storage/schema/record.ts';
import type { IdPort } from './ports.ts';
import type { DecisionRecord, Run, Sealed } from './run.ts';

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
  if (Object.keys(run.tags).length > 0) {
    const salt = ids.salt();
    open.tags = { salt, values: run.tags };
    commitments.tags = commit(salt, canonicalJson(run.tags));
  }
  if (run.decided !== null) commitDecision(ids.salt(), run.decided, { commitments, open });
  if (run.read !== null && run.read.body.length > 0) {
    const salt = ids.salt();
    open.request_salt = salt;
    commitments.request = commit(salt, run.read.body);
  }
  return { commitments, open };
}

/** Commits to the decision that ended a run under way, in place of the one that let it pass. */
export function sealDecision(ids: IdPort, run: Run): void {
  if (run.sealed === null || run.decided === null) return;
  const sealed = { commitments: { ...run.sealed.commitments }, open: { ...run.sealed.open } };
  commitDecision(ids.salt(), run.decided, sealed);
  run.sealed = sealed;
}

function commitDecision(salt: string, decided: DecisionRecord, { commitments, open }: Sealed): void {
  open.context = { salt, value: decided.context, digest: decided.contextDigest };
  open.decision = decided.decision;
  commitments.context = commit(salt, decided.contextJson);
}
