import { canonicalJson, decisionDigest, sha256Hex } from '../../policy/evidence/index.ts';
import { decideRequest, engineVersion, freezeContext } from '../../policy/rules/index.ts';
import type { Decision, DecisionContext, FactValue } from '../../storage/schema/decision.ts';
import { actorName } from './identify.ts';
import { computeQuote } from './price.ts';
import { closeStage, type DecisionRecord, type Identified, type Read, type Refusal, type Run, refuse } from './run.ts';

/** No detector runs yet; the name enters every digest so that the first one changes them visibly. */
export const detectorVersion = 'none';

/**
 * Stage 3: request-phase policies over the frozen context.
 *
 * The context holds exactly the facts that this tenant's policies name. Fails closed: a policy that cannot be evaluated
 * is settled by its own `on_error`, and a fault of the engine itself denies.
 */
export function decide(run: Run, identified: Identified, request: Read): DecisionRecord | Refusal {
  const { tenant } = identified;
  const context = freezeContext({
    phase: 'request',
    atMs: run.startedAtMs,
    names: tenant.policies.factsNamed('request'),
    read: (fact) => readFact({ run, identified, request }, fact),
  });
  const decision = decideRequest(
    tenant.policies,
    {
      sub_tenant: identified.key.sub_tenant,
      key: identified.key.name,
      key_id: identified.key.id,
      actor: actorName(run),
      provider: identified.provider.slug,
      model: request.facts.model,
      route: identified.route.path,
      tags: run.tags,
    },
    context,
  );
  const record = recordDecision(tenant.snapshotId, decision, context);
  run.decided = record;
  run.tags = { ...run.tags, ...decision.tags };
  closeStage(run, 'decide', `${decision.verdict}:${record.decisionDigest}`);
  if (decision.verdict === 'deny')
    return refuse('policy_denied', `Blocked by ${describeOwner(decision)}`, decision.owner);
  return record;
}

/** Binds a decision to its context and snapshot by their digests. */
export function recordDecision(snapshotId: string, decision: Decision, context: DecisionContext): DecisionRecord {
  const contextJson = canonicalJson(context);
  const digest = sha256Hex(contextJson);
  return {
    decision,
    context,
    contextJson,
    contextDigest: digest,
    decisionDigest: decisionDigest({
      v: 1,
      context_digest: digest,
      snapshot_id: snapshotId,
      engine_version: engineVersion,
      detector_version: detectorVersion,
      verdict: decision.verdict,
      owner: decision.owner,
      reason: decision.reason,
      matched: decision.matched,
      modifications: decision.modifications,
      shadow: decision.shadow,
    }),
  };
}

function describeOwner(decision: Decision): string {
  const [, id, version] = /^policy:(.+)@(\d+)$/.exec(decision.owner ?? '') ?? [];
  return id === undefined ? decision.reason : `policy ${id} v${version}: ${decision.reason}`;
}

/** What the fact readers read from. */
interface FactSource {
  run: Run;
  identified: Identified;
  request: Read;
}

type FactReader = (source: FactSource) => FactValue | undefined;

const factReaders: ReadonlyMap<string, FactReader> = new Map<string, FactReader>([
  ['request.model', ({ request }) => request.facts.model ?? (isBodyless(request) ? '' : null)],
  ['request.provider', ({ identified }) => identified.provider.slug],
  ['request.dialect', ({ request }) => request.dialect.id],
  ['request.route', ({ identified }) => identified.route.path],
  ['request.method', ({ identified }) => identified.route.method],
  ['request.stream', ({ request }) => request.facts.streamed],
  ['request.max_output_tokens', ({ request }) => request.facts.maxOutputTokens],
  ['request.message_count', ({ request }) => request.facts.messageCount ?? (isBodyless(request) ? 0 : null)],
  ['request.tool_count', ({ request }) => request.facts.tools.length],
  ['request.tools', ({ request }) => request.facts.tools],
  ['request.body_bytes', ({ request }) => request.body.length],
  ['request.estimated_input_tokens', ({ request }) => request.facts.estimatedInputTokens],
  ['principal.key_id', ({ identified }) => identified.key.id],
  ['principal.key_name', ({ identified }) => identified.key.name],
  ['principal.sub_tenant', ({ identified }) => identified.key.sub_tenant],
  ['principal.actor_type', ({ run }) => run.actor?.type],
  ['principal.actor_id', ({ run }) => run.actor?.id],
  ['principal.actor_source', ({ run }) => run.actor?.source],
  ['price.worst_case_nano_usd', readWorstCase],
]);

/** A request without a body names no model and holds no message: that is known, and is not a missing fact. */
function isBodyless(request: Read): boolean {
  return request.body.length === 0;
}

function readWorstCase({ run, identified, request }: FactSource): number | undefined {
  const worst = computeQuote(run.startedAtMs, identified, request).worstCaseNanoUsd;
  return worst === null ? undefined : Number(worst);
}

function readFact(source: FactSource, fact: string): FactValue | undefined {
  if (fact.startsWith('tags.')) {
    const name = fact.slice('tags.'.length);
    return Object.hasOwn(source.run.tags, name) ? source.run.tags[name] : undefined;
  }
  return factReaders.get(fact)?.(source) ?? undefined;
}
