import type { FactValue } from '../../storage/schema/decision.ts';
import { computeQuote } from './price.ts';
import type { ReadFact } from './read-fact.ts';
import type { Identified, Read, Run } from './run.ts';

/** What the fact readers read from: the request as it came. */
export interface RequestSource {
  run: Run;
  identified: Identified;
  request: Read;
}

type FactReader = (source: RequestSource) => FactValue | undefined;

const factReaders: ReadonlyMap<string, FactReader> = new Map<string, FactReader>([
  ['request.model', ({ request }) => request.facts.model ?? (isBodyless(request) ? '' : null)],
  ['request.provider', ({ identified }) => identified.provider.slug],
  ['request.dialect', ({ request }) => request.dialect.id],
  ['request.route', ({ identified }) => identified.route.path],
  ['request.method', ({ identified }) => identified.route.method],
  ['request.session', ({ run }) => run.session],
  ['request.stream', ({ request }) => request.facts.streamed],
  ['request.max_output_tokens', ({ request }) => request.facts.maxOutputTokens],
  ['request.message_count', ({ request }) => request.facts.messageCount ?? (isBodyless(request) ? 0 : null)],
  ['request.tool_count', ({ request }) => request.facts.tools?.length],
  ['request.tools', ({ request }) => request.facts.tools],
  ['request.images', ({ request }) => request.facts.mediaParts],
  ['request.has_unbounded', ({ request }) => request.facts.unbounded !== null],
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
export function isBodyless(request: Read): boolean {
  return request.body.length === 0;
}

/** Missing where the request does not bound what it can cost: a part of it would pass for the whole. */
function readWorstCase({ run, identified, request }: RequestSource): number | undefined {
  const { worstCaseNanoUsd: worst, unboundedReason } = computeQuote(run.startedAtMs, identified, request);
  return worst === null || unboundedReason !== null ? undefined : Number(worst);
}

const tagPrefix = 'tags.';

/** Reads the facts of a request and its caller, except those of its texts. Each is worked out when it is asked for. */
export function readRequestFacts(source: RequestSource): ReadFact {
  return (name) => {
    if (!name.startsWith(tagPrefix)) return factReaders.get(name)?.(source);
    const tag = name.slice(tagPrefix.length);
    const { tags } = source.run;
    return Object.hasOwn(tags, tag) ? tags[tag] : undefined;
  };
}
