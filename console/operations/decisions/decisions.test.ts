import { sql } from 'kysely';
import t from 'tap';
import { canonicalJson, decisionDigest, sha256Hex } from '../../../policy/evidence/index.ts';
import { compilePolicies, decidePhase, engineVersion, freezeContext } from '../../../policy/rules/index.ts';
import { testRun } from '../../../storage/clickhouse/test-rows.ts';
import { snapshots } from '../../../storage/postgres/migrations/0005-snapshots.ts';
import type { FactValue } from '../../../storage/schema/decision.ts';
import type { OpenDecision } from '../../../storage/schema/record.ts';
import type { Manifest, PolicyPhase } from '../../../storage/schema/snapshot.ts';
import { launchTestControl } from '../../test-control.ts';
import { applyConfiguration } from '../apply-configuration.ts';
import type { DecidedRun, RecordedRun } from '../ports.ts';
import { readManifest } from '../snapshot/read.ts';
import { readScopeFacts } from './again.ts';
import { readPolicyDocument } from './documents.ts';
import { explainRun } from './explain.ts';
import { askSecondOpinion } from './second-opinion.ts';

const control = await launchTestControl();
t.teardown(() => control.close());
const { context, principal } = control;

async function apply(reason: string): Promise<void> {
  const text = `
tenants:
  - slug: acme
    policies:
      - { id: p, phase: request, when: { "==": [{ "var": "request.model" }, "big"] }, then: { action: deny, reason: "${reason}" } }
      - { id: q, phase: request, scope: { key: other }, when: { "==": [1, 1] }, then: { action: warn, reason: "other keys" } }
      - { id: r, phase: response, when: { ">": [{ "var": "answer.bytes" }, 10] }, then: { action: tag, tags: { long: "yes" } } }
`;
  await applyConfiguration(context, principal, {
    file: 'hoc.yaml',
    text,
    secrets: new Map(),
    dryRun: false,
    adopt: false,
  });
}

/** The snapshot ids that the manifest in force brings, one a tenant. */
async function idInForce(): Promise<string> {
  const manifest = JSON.parse((await readManifest(context)).manifest) as Manifest;
  const { policy, keys } = manifest.tenants[0] ?? { policy: '', keys: '' };
  return sha256Hex(canonicalJson({ policy, keys, prices: manifest.prices }));
}

const facts: Record<string, FactValue> = { 'request.model': 'big', 'principal.key_name': 'app', 'answer.bytes': 11 };

/** What a proxy records of one phase under a snapshot. */
async function decide(snapshotId: string, phase: PolicyPhase): Promise<OpenDecision> {
  const document = await readPolicyDocument(context, { tenant: 'acme', snapshot_id: snapshotId });
  const compiled = compilePolicies(document?.policies ?? []);
  const names = compiled.factsNamed(phase);
  const frozen = freezeContext({ phase, atMs: 1, names, read: (name) => facts[name] });
  const decision = decidePhase(compiled, readScopeFacts(frozen.facts), frozen);
  const contextDigest = sha256Hex(canonicalJson(frozen));
  const { verdict, owner, reason, matched, modifications, shadow } = decision;
  const digest = decisionDigest({
    ...{ v: 1, context_digest: contextDigest, snapshot_id: snapshotId, detector_version: 'none' },
    ...{ engine_version: engineVersion, verdict, owner, reason, matched, modifications, shadow },
  });
  return { salt: '00', context: frozen, context_digest: contextDigest, decision, decision_digest: digest };
}

/** A run that was decided in both phases, as it is read back; `erased` has lost its open values. */
function record(snapshotId: string, phases: readonly OpenDecision[], erased = false): RecordedRun {
  const [own] = phases;
  const run = testRun({
    tenant: 'acme',
    snapshot_id: snapshotId,
    verdict: own?.decision.verdict ?? 'allow',
    decided_by: own?.decision.owner ?? null,
    decision_digest: own?.decision_digest ?? null,
    context_digest: own?.context_digest ?? null,
  });
  const decisions = phases.map(({ context: { phase }, decision, decision_digest }) => ({
    ...{ phase, verdict: decision.verdict, decided_by: decision.owner, decision_digest, context: '' },
  }));
  const sealed = { proxy_id: 'p', proxy_epoch: 1, proxy_seq: 1, kind: 'finish', leaf_hash: run.leaf_hash };
  return {
    run,
    context: erased ? null : (own?.context ?? null),
    decision: erased ? null : (own?.decision ?? null),
    decisions: erased ? null : phases,
    payloads: [],
    records: [{ ...sealed, raw: JSON.stringify({ decisions }) }],
  };
}

function explain(found: RecordedRun | null) {
  const runs = { ...context.runs, read: async () => found };
  return explainRun({ ...context, runs }, principal, found?.run.run_id ?? 'none');
}

function judge(found: readonly RecordedRun[]) {
  const rows = found.map(
    ({ run, context: frozen, decision, decisions }): DecidedRun => ({
      ...{ run_id: run.run_id, tenant: run.tenant, snapshot_id: run.snapshot_id, decisions },
      ...{ context: frozen, context_digest: run.context_digest, decision, decision_digest: run.decision_digest },
    }),
  );
  const runs = { ...context.runs, decisions: async () => rows };
  return askSecondOpinion({ ...context, runs }, principal, { since_ms: 0 });
}

await apply('old words');
const old = await idInForce();
await apply('new words');
const newer = await idInForce();
const phases = [await decide(old, 'request'), await decide(old, 'response')];

t.test('every snapshot that was ever in force is known by the id that runs name, and only to its tenant', async (t) => {
  t.not(old, newer);
  const reasons = [];
  for (const id of [old, newer]) {
    const document = await readPolicyDocument(context, { tenant: 'acme', snapshot_id: id });
    reasons.push(document?.policies[0]?.then);
  }
  t.match(reasons, [{ reason: 'old words' }, { reason: 'new words' }]);
  t.equal(await readPolicyDocument(context, { tenant: 'other', snapshot_id: old }), null);
  t.equal(await readPolicyDocument(context, { tenant: 'acme', snapshot_id: 'f'.repeat(64) }), null);
});

t.test('an installation from before finds the snapshots of its old manifests', async (t) => {
  const read = () => sql`select * from snapshots order by id`.execute(control.db).then(({ rows }) => rows);
  const before = await read();
  t.ok(before.length >= 2);
  await sql`drop table snapshots`.execute(control.db);
  for (const statement of snapshots) await sql.raw(statement).execute(control.db);
  t.same(await read(), before);
});

t.test('a run is explained by the policies of its own snapshot', async (t) => {
  const { phases: told } = await explain(record(old, phases));
  t.match(told, [
    { phase: 'request', state: 'explained', context_holds: true, decision_holds: true, reason: 'old words' },
    { phase: 'response', state: 'explained', context_holds: true, decision_holds: true, tags: { long: 'yes' } },
  ]);
  t.match(told[0]?.policies, [
    { policy: 'p', outcome: 'matched', is_owner: true },
    { policy: 'q', outcome: 'out_of_scope' },
  ]);
});

t.test('of an erased run its sealed verdicts are told, and that the rest is gone', async (t) => {
  const { phases: told } = await explain(record(old, phases, true));
  t.match(told, [
    { phase: 'request', state: 'erased', verdict: 'deny', decided_by: 'policy:p@1', context: null },
    { phase: 'response', state: 'erased', verdict: 'tag', decided_by: 'policy:r@1', context: null },
  ]);
  t.match(told[0]?.words.join('\n'), /not kept any more/);
  const single = { ...record(old, phases, true), records: [] };
  t.match((await explain(single)).phases, [{ phase: null, state: 'erased', verdict: 'deny' }]);
});

t.test('policies that are not known are said to be so, beside the facts', async (t) => {
  const { phases: told } = await explain(record('f'.repeat(64), phases));
  t.match(told[0], { state: 'snapshot_unknown', policies: [], decided_by: 'policy:p@1' });
  t.match(told[0]?.words.join('\n'), /request\.model is "big"/);
});

t.test('an altered context or decision is seen', async (t) => {
  const [first] = phases;
  if (first === undefined) throw new Error('nothing was decided');
  const context_ = { ...first.context, facts: { ...first.context.facts, 'request.model': 'small' } };
  const altered = await explain(record(old, [{ ...first, context: context_ }]));
  t.match(altered.phases[0], { context_holds: false });
  t.match(altered.phases[0]?.words.at(-1), /was altered/);
  const other = { ...first, decision: { ...first.decision, reason: 'something else' } };
  t.match((await explain(record(old, [other]))).phases[0], { context_holds: true, decision_holds: false });
});

t.test('a run that is not in scope, or not there, is not found', async (t) => {
  await t.rejects(explain(null), { code: 'not_found' });
});

t.test('recorded runs are confirmed by both engines, or each difference is listed', async (t) => {
  const good = record(old, phases);
  t.match(await judge([good, good]), {
    runs: 2,
    decisions: 4,
    conditions: { same: 4, different: 0, not_supported: {} },
    decided_again: { exact: 4, same: 0, different: 0, not_possible: {} },
    differing: [],
    next: good.run.run_id,
  });
  const [first] = phases;
  if (first === undefined) throw new Error('nothing was decided');
  const changed = record(newer, [first]);
  const altered = record(old, [{ ...first, context: { ...first.context, at_ms: 2 } }]);
  const elsewhere = record('e'.repeat(64), [first]);
  const erased = record(old, phases, true);
  const page = await judge([changed, altered, elsewhere, erased]);
  t.match(page.differing, [
    { run_id: changed.run.run_id, what: 'decision', phase: 'request' },
    { run_id: altered.run.run_id, what: 'context' },
  ]);
  t.same(page.decided_again, {
    ...{ exact: 0, same: 0, different: 2 },
    not_possible: { 'the policies of its snapshot are not known': 1, 'its context is not kept any more': 1 },
  });
  const otherVersion = record(old, [{ ...first, decision_digest: 'a'.repeat(64) }]);
  t.match(await judge([otherVersion]), { decided_again: { exact: 0, same: 1, different: 0 }, differing: [] });
  t.match(await judge([]), { runs: 0, next: null });
});
