/** Where a caller may put a key. */
const credentialHeaders = new Set(['authorization', 'x-api-key', 'x-goog-api-key', 'api-key']);
/** A credential with a scheme before it, such as `Bearer x`. */
const schemed = /^[A-Za-z][A-Za-z0-9._-]*[ \t]+(\S.*)$/;

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Headers that a `Connection` header may never take away, and that may stand only once. */
const single = new Set(['host', 'content-length', 'content-type', 'content-encoding', ...credentialHeaders]);

/** Replaced by the upstream client, so never forwarded as they came. */
const replaced = new Set(['host', 'content-length', 'expect']);

export interface Credential {
  /** Lower-case header name, or `query` for the `key` parameter. */
  place: string;
  /** Without its scheme, if it has one. */
  value: string;
  /** As it stands, trimmed. */
  raw: string;
}

/** The caller's headers, taken apart once. */
export interface CallerHeaders {
  /** Names and values alternating, for upstream: without hop-by-hop headers and ours. Credentials still stand in it. */
  forward: readonly string[];
  credentials: readonly Credential[];
  hocKey: string | null;
  actor: string | null;
  session: string | null;
  tags: string | null;
  contentType: string | null;
  contentEncoding: string | null;
}

/**
 * Takes the caller's raw headers apart in one pass.
 *
 * Returns a sentence instead where they are ambiguous: a header that must be single stands twice, a `Connection` header
 * tries to take away one that must stay, or an unknown `x-hoc-` header could be a misspelt one of ours.
 */
export function readCallerHeaders(raw: readonly string[]): CallerHeaders | string {
  const forward: string[] = [];
  const credentials: Credential[] = [];
  const ours = new Map<string, string>();
  const seen = new Set<string>();
  let nominated: string[] | null = null;
  let contentType: string | null = null;
  let contentEncoding: string | null = null;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const rawName = raw[index] ?? '';
    const value = raw[index + 1] ?? '';
    const name = rawName.toLowerCase();
    if (name.startsWith('x-hoc-')) {
      if (ours.has(name)) return `The header ${name} stands twice; send it once.`;
      ours.set(name, value);
      continue;
    }
    if (single.has(name)) {
      if (seen.has(name)) return `The header ${name} stands twice; send it once.`;
      seen.add(name);
      if (name === 'content-type') contentType = value;
      else if (name === 'content-encoding') contentEncoding = value;
    }
    if (name === 'connection') nominated = [...(nominated ?? []), ...value.split(',')];
    if (hopByHop.has(name) || replaced.has(name)) continue;
    if (credentialHeaders.has(name)) {
      const credential = readCredential(name, value);
      if (credential !== null) credentials.push(credential);
    }
    forward.push(rawName, value);
  }
  const kept = nominated === null ? forward : dropNominated(forward, nominated);
  if (typeof kept === 'string') return kept;
  return {
    forward: kept,
    credentials,
    hocKey: ours.get('x-hoc-key') ?? null,
    actor: ours.get('x-hoc-actor') ?? null,
    session: ours.get('x-hoc-session') ?? null,
    tags: ours.get('x-hoc-tags') ?? null,
    contentType,
    contentEncoding,
  };
}

/** Whatever its scheme, a credential is one; an empty header is none. */
function readCredential(place: string, text: string): Credential | null {
  const raw = text.trim();
  if (raw === '' || raw.toLowerCase() === 'bearer') return null;
  return { place, raw, value: schemed.exec(raw)?.[1]?.trim() ?? raw };
}

function dropNominated(forward: string[], nominated: readonly string[]): string[] | string {
  const names = new Set(nominated.map((name) => name.trim().toLowerCase()).filter((name) => name !== ''));
  for (const name of names) {
    if (single.has(name) || name.startsWith('x-hoc-')) return `Connection may not name ${name}.`;
  }
  const kept: string[] = [];
  for (let index = 0; index + 1 < forward.length; index += 2) {
    const name = forward[index] ?? '';
    if (!names.has(name.toLowerCase())) kept.push(name, forward[index + 1] ?? '');
  }
  return kept;
}

/** What a provider says of the very bytes of its answer. */
const ofExactBytes = new Set([
  ...['content-encoding', 'content-md5', 'content-digest', 'repr-digest', 'digest', 'etag'],
  ...['content-range', 'accept-ranges', 'last-modified'],
]);

/**
 * The provider's answer headers that may pass to the caller. `resized`: its length changes on the way. `rewritten`: its
 * body is another one, decoded.
 */
export function forwardableAnswerHeaders(
  raw: readonly string[],
  { resized = false, rewritten = false }: { resized?: boolean; rewritten?: boolean } = {},
): string[] {
  const forward: string[] = [];
  let nominated: Set<string> | null = null;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if ((raw[index] ?? '').toLowerCase() === 'connection') {
      nominated = new Set((raw[index + 1] ?? '').split(',').map((name) => name.trim().toLowerCase()));
    }
  }
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const rawName = raw[index] ?? '';
    const name = rawName.toLowerCase();
    if (hopByHop.has(name) || name.startsWith('x-hoc-') || nominated?.has(name)) continue;
    if ((resized || rewritten) && name === 'content-length') continue;
    if (rewritten && ofExactBytes.has(name)) continue;
    forward.push(rawName, raw[index + 1] ?? '');
  }
  return forward;
}

/** Value of one header in a flat list, or null. `name` is lower-case. */
export function findHeader(flat: readonly string[], name: string): string | null {
  for (let index = 0; index + 1 < flat.length; index += 2) {
    if (flat[index]?.length === name.length && flat[index]?.toLowerCase() === name) return flat[index + 1] ?? null;
  }
  return null;
}
