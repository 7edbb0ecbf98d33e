import { isName, readActor, readTags, writeActor } from './caller-names.ts';
import { type CallerHeaders, readCallerHeaders } from './headers.ts';
import type { Gate } from './ports.ts';
import { closeStage, type Identified, isRefusal, type Refusal, type Run, refuse } from './run.ts';
import type { CompiledSnapshot } from './snapshot.ts';
import { readTarget, type Target, takeKeyParameter } from './target.ts';

/**
 * Stage 1: who calls, for which tenant, and to which provider, from the snapshot alone.
 *
 * Refuses what is ambiguous (400) before anything is looked up, an unknown, revoked or expired key (401), a provider the
 * key may not use (403), and one the tenant does not have (404). Fails closed: without a snapshot nothing passes (503).
 */
export function identify(run: Run): Identified | Refusal {
  const result = identifyCaller(run);
  closeStage(run, 'identify', isRefusal(result) ? `refused:${result.code}` : 'ok');
  return result;
}

function identifyCaller(run: Run): Identified | Refusal {
  const target = readTarget(run.call.url);
  if (typeof target === 'string') return refuse('request_invalid', target);
  const headers = readCallerHeaders(run.call.rawHeaders);
  if (typeof headers === 'string') return refuse('request_invalid', headers);
  const { gate } = run;
  const snapshot = gate.snapshot();
  if (snapshot === null) return refuse('engine_down', 'This proxy has no configuration yet; try again shortly.');
  if (gate.snapshotIsStale()) run.marks.add('snapshot_stale');
  const found = findKey({ gate, snapshot, headers, query: target.query });
  if (isRefusal(found)) return found;
  const { tenant, key } = found;
  run.suspect = { tenant: tenant.tenant, keyId: key.id };
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

function findKey(input: {
  gate: Gate;
  snapshot: CompiledSnapshot;
  headers: CallerHeaders;
  query: string;
}): FoundKey | Refusal {
  const { headers } = input;
  const parameter = takeKeyParameter(input.query);
  const shown = [...headers.credentials, ...parameter.values.map((value) => ({ place: 'query', value }))];
  if (headers.hocKey !== null) shown.unshift({ place: 'x-hoc-key', value: headers.hocKey });
  if (shown.length === 0) {
    return refuse(
      'key_invalid',
      'No key was sent. Send your HOC key where the SDK sends its API key, or as x-hoc-key.',
    );
  }
  const known = shown.flatMap((credential) => {
    const entry = input.snapshot.keys.get(input.gate.hashKey(credential.value));
    return entry === undefined ? [] : [{ ...entry, place: credential.place }];
  });
  const first = known[0];
  const distinct = new Set(shown.map((credential) => credential.value)).size;
  if (first === undefined) {
    if (headers.hocKey === null && distinct > 1)
      return refuse('request_invalid', 'Two different keys were sent; send one.');
    return refuse('key_invalid', 'This key is not known here.');
  }
  if (known.some((entry) => entry.key !== first.key)) {
    return refuse('request_invalid', 'Two different HOC keys were sent; send one.');
  }
  if (headers.hocKey !== null && first.place !== 'x-hoc-key')
    return refuse('key_invalid', 'The key in x-hoc-key is not known here.');
  if (headers.hocKey === null && known.length !== shown.length) {
    return refuse(
      'request_invalid',
      'A HOC key and another credential were sent; send the HOC key as x-hoc-key beside it.',
    );
  }
  const places = known.map((entry) => entry.place);
  return {
    tenant: first.tenant,
    key: first.key,
    places,
    query: places.includes('query') ? parameter.rest : input.query,
  };
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
