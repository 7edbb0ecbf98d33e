import type { Dialect } from '../dialects/dialect.ts';
import type { CredentialPort } from './ports.ts';
import type { Identified } from './run.ts';

/** Where a request goes below the provider's base URL, and with which headers. */
export interface UpstreamAddress {
  path: string;
  headers: string[];
}

/**
 * The headers and the path that go to the provider: the caller's own, minus the HOC key, plus the provider's credential.
 *
 * A credential from the vault takes the very place at which the caller put the HOC key, since an SDK puts it where its
 * provider looks for it; behind `x-hoc-key` it takes the dialect's usual place, unless the caller brought one of his own.
 * The provider never sees two headers of one credential's name.
 */
export function addressUpstream(input: {
  credentials: CredentialPort;
  identified: Identified;
  dialect: Dialect;
  /** Whether the answer must come uncompressed, because it is changed or measured on the way. */
  plainAnswer: boolean;
  /** Whether the body has lost the content encoding that the caller named. */
  plainBody: boolean;
}): UpstreamAddress {
  const { identified, dialect } = input;
  const secret = findSecret(input.credentials, identified);
  const place = secret === null ? null : credentialPlace(identified, dialect);
  const dropped = new Set(identified.keyPlaces);
  if (place !== null) dropped.add(place);
  if (input.plainAnswer) dropped.add('accept-encoding');
  if (input.plainBody) dropped.add('content-encoding');
  const { forward } = identified.headers;
  const headers: string[] = [];
  for (let index = 0; index + 1 < forward.length; index += 2) {
    const name = forward[index] ?? '';
    if (!dropped.has(name.toLowerCase())) headers.push(name, forward[index + 1] ?? '');
  }
  if (input.plainAnswer) headers.push('accept-encoding', 'identity');
  for (const [name, value] of Object.entries(identified.provider.headers)) headers.push(name, value);
  const path = identified.upstreamPath;
  if (secret === null || place === null) return { path, headers };
  if (place === 'query')
    return { path: `${path}${path.includes('?') ? '&' : '?'}key=${encodeURIComponent(secret)}`, headers };
  headers.push(place, place === 'authorization' ? `Bearer ${secret}` : secret);
  return { path, headers };
}

function findSecret(credentials: CredentialPort, identified: Identified): string | null {
  const reference = identified.provider.credential;
  return reference.kind === 'vault' ? credentials.find(reference.id, reference.version) : null;
}

function credentialPlace(identified: Identified, dialect: Dialect): string | null {
  const place = identified.keyPlaces.find((name) => name !== 'x-hoc-key');
  if (place !== undefined) return place;
  const broughtOwn = identified.headers.credentials.some((shown) => !identified.keyPlaces.includes(shown.place));
  return broughtOwn ? null : dialect.credentialHeader;
}
