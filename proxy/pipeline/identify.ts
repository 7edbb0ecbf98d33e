import { isName, readActor, readTags, writeActor } from './caller-names.ts';
import { type CallerHeaders, type Credential, readCallerHeaders } from './headers.ts';
import { closeStage, type Identified, isRefusal, type Refusal, type Run, refuse } from './run.ts';
import type { CompiledSnapshot } from './snapshot.ts';
import { decodeText, readTarget, type Target, takeKeyParameter } from './target.ts';

/**
 * Stage 1: who calls, for which tenant, and to which provider, from the snapshot alone.
 *
 * Refuses what is ambiguous (400) before anything is looked up, an unknown, revoked or expired key (401), a provider the
 * key may not use (403), and one the tenant does not have (404). Fails closed: without a snapshot, or without room,
 * nothing passes (503).
 */
export function identify(run: Run): Identified | Refusal {
  const result = identifyCaller(run);
  closeStage(run, 'identify', isRefusal(result) ? `refused:${result.code}` : 'ok');
  return result;
}

function identifyCaller(run: Run): Identified | Refusal {
  if (!run.gate.hasRoom()) {
    return { ...refuse('overloaded', 'This proxy has as many open runs as it takes.', 'capacity'), retryAfterMs: 1000 };
  }
  const target = readTarget(run.call.url);
  if (typeof target === 'string') return refuse('request_invalid', target);
  const headers = readCallerHeaders(run.call.rawHeaders);
  if (typeof headers === 'string') return refuse('request_invalid', headers);
  const { gate } = run;
  const snapshot = gate.snapshot();
  if (snapshot === null) return refuse('engine_down', 'This proxy has no configuration yet; try again shortly.');
  if (gate.snapshotIsStale()) run.marks.add('snapshot_stale');
  const found = findKey({ run, snapshot, headers, target });
  if (isRefusal(found)) return found;
  const { tenant, key } = found;
  const owner = `key:${key.id}`;
  if (key.state !== 'active') return refuse('key_invalid', `Key ${key.id} is ${key.state}.`, owner);
  if (key.expires_at_ms !== null && key.expires_at_ms <= run.startedAtMs) {
    return refuse('key_invalid', `Key ${key.id} expired at ${new Date(key.expires_at_ms).toISOString()}.`, owner);
  }
  if (tenant.document.state !== 'active') {
    return refuse('tenant_suspended', `Tenant ${tenant.tenant} is suspended.`, owner);
  }
  const named = readNames(run, headers, key.actor);
  if (named !== null) return named;
  return findProvider({ method: run.call.method, target, headers, found, owner });
}

interface FoundKey {
  tenant: Identified['tenant'];
  key: Identified['key'];
  places: readonly string[];
  query: string;
}

interface KeySearch {
  run: Run;
  snapshot: CompiledSnapshot;
  headers: CallerHeaders;
  target: Target;
}

function findKey(search: KeySearch): FoundKey | Refusal {
  const { run, headers, target } = search;
  const parameter = takeKeyParameter(target.query);
  const shown = [...headers.credentials, ...parameter.values.map((value) => ({ place: 'query', value, raw: value }))];
  const { hocKey } = headers;
  if (hocKey !== null) shown.unshift({ place: 'x-hoc-key', value: hocKey, raw: hocKey });
  if (shown.length === 0) {
    return refuse(
      'key_invalid',
      'No key was sent. Send your HOC key where the SDK sends its API key, or as x-hoc-key.',
    );
  }
  const known = shown.flatMap((credential) => lookUp(search, credential));
  const first = known[0];
  if (first === undefined) {
    const differ = shown.some((credential) => credential.value !== shown[0]?.value);
    if (hocKey === null && differ) return refuse('request_invalid', 'Two different keys were sent; send one.');
    return refuse('key_invalid', 'This key is not known here.');
  }
  const provider = first.tenant.providers.get(target.slug);
  run.suspect = { tenant: first.tenant, key: first.key, provider: provider?.slug ?? null };
  const places = known.map((entry) => entry.place);
  const query = places.includes('query') ? parameter.rest : target.query;
  const ambiguity = findAmbiguity({ search, known, places, query, shown: shown.length });
  return ambiguity ?? { tenant: first.tenant, key: first.key, places, query };
}

interface KnownKey {
  tenant: Identified['tenant'];
  key: Identified['key'];
  place: string;
  secret: string;
}

function lookUp({ run, snapshot }: KeySearch, shown: Credential): KnownKey[] {
  for (const secret of shown.value === shown.raw ? [shown.value] : [shown.value, shown.raw]) {
    const entry = snapshot.keys.get(run.gate.hashKey(secret));
    if (entry !== undefined) return [{ ...entry, place: shown.place, secret }];
  }
  return [];
}

/** A known key that is not the only thing the caller could mean, or that stands where it would reach the provider. */
function findAmbiguity(input: {
  search: KeySearch;
  known: readonly KnownKey[];
  places: readonly string[];
  query: string;
  shown: number;
}): Refusal | null {
  const { known, places, search } = input;
  const [first] = known;
  if (known.some((entry) => entry.key !== first?.key)) {
    return refuse('request_invalid', 'Two different HOC keys were sent; send one.');
  }
  const { hocKey, forward } = search.headers;
  if (hocKey !== null && first?.place !== 'x-hoc-key') {
    return refuse('key_invalid', 'The key in x-hoc-key is not known here.');
  }
  if (hocKey === null && known.length !== input.shown) {
    const message = 'A HOC key and another credential were sent; send the HOC key as x-hoc-key beside it.';
    return refuse('request_invalid', message);
  }
  const secret = first?.secret ?? '';
  const leaks = (text: string) => text.includes(secret);
  for (let index = 0; index + 1 < forward.length; index += 2) {
    const name = (forward[index] ?? '').toLowerCase();
    if (places.includes(name) || !leaks(forward[index + 1] ?? '')) continue;
    return refuse('request_invalid', `The HOC key also stands in the header ${name}, which goes to the provider.`);
  }
  if (!leaks(decodeText(input.query)) && !leaks(search.target.path)) return null;
  return refuse('request_invalid', 'The HOC key stands in the address, where it would go to the provider.');
}

function readNames(run: Run, headers: CallerHeaders, defaultActor: string | null): Refusal | null {
  if (headers.actor !== null) {
    run.actor = readActor(headers.actor, 'asserted');
    if (run.actor === null)
      return refuse('request_invalid', 'x-hoc-actor must be 1 to 256 printable ASCII characters.');
  } else if (defaultActor !== null) {
    run.actor = readActor(defaultActor, 'verified');
  }
  if (headers.session !== null) {
    if (!isName(headers.session))
      return refuse('request_invalid', 'x-hoc-session must be 1 to 256 printable ASCII characters.');
    run.session = headers.session;
  }
  if (headers.tags !== null) {
    const tags = readTags(headers.tags);
    if (typeof tags === 'string') return refuse('request_invalid', tags);
    run.tags = tags;
  }
  return null;
}

function findProvider(input: {
  method: string;
  target: Target;
  headers: CallerHeaders;
  found: FoundKey;
  owner: string;
}): Identified | Refusal {
  const { target, headers, found } = input;
  const provider = found.tenant.providers.get(target.slug);
  if (found.key.provider !== null && found.key.provider !== target.slug) {
    const message = `Key ${found.key.id} may call provider ${found.key.provider} only.`;
    return refuse('scope_denied', message, input.owner);
  }
  if (provider === undefined) {
    const known = [...found.tenant.providers.keys()].join(', ') || 'none';
    return refuse('provider_unknown', `There is no provider of this name; the path must begin with one of: ${known}.`);
  }
  return {
    tenant: found.tenant,
    key: found.key,
    provider,
    route: { method: input.method, path: target.path },
    upstreamPath: `${target.path}${found.query}`,
    headers,
    keyPlaces: found.places,
  };
}

/** The actor as policies and limits name it, or null. */
export function actorName(run: Run): string | null {
  return run.actor === null ? null : writeActor(run.actor);
}
