import type { Dialect } from '../dialects/dialect.ts';
import type { CredentialPort } from './ports.ts';
import type { Identified } from './run.ts';

/**
 * The headers that go to the provider: the caller's own, minus the HOC key, plus the provider's credential.
 *
 * A credential from the vault takes the very place at which the caller put the HOC key, since an SDK puts it where its
 * provider looks for it; behind `x-hoc-key` it takes the dialect's usual place, unless the caller brought one of his own.
 */
export function buildUpstreamHeaders(input: {
  credentials: CredentialPort;
  identified: Identified;
  dialect: Dialect;
  /** Whether the answer must come uncompressed, because what was asked of it has to be taken out again. */
  plainAnswer: boolean;
}): string[] {
  const { credentials, identified, dialect } = input;
  const { forward } = identified.headers;
  const headers: string[] = [];
  for (let index = 0; index + 1 < forward.length; index += 2) {
    const name = forward[index] ?? '';
    const lower = name.toLowerCase();
    if (identified.keyPlaces.includes(lower) || (input.plainAnswer && lower === 'accept-encoding')) continue;
    headers.push(name, forward[index + 1] ?? '');
  }
  if (input.plainAnswer) headers.push('accept-encoding', 'identity');
  for (const [name, value] of Object.entries(identified.provider.headers)) headers.push(name, value);
  const reference = identified.provider.credential;
  if (reference.kind !== 'vault') return headers;
  const secret = credentials.find(reference.id, reference.version);
  if (secret === null) return headers;
  const place = credentialPlace(identified, dialect);
  if (place !== null) headers.push(place, place === 'authorization' ? `Bearer ${secret}` : secret);
  return headers;
}

function credentialPlace(identified: Identified, dialect: Dialect): string | null {
  const place = identified.keyPlaces.find((name) => name !== 'x-hoc-key' && name !== 'query');
  if (place !== undefined) return place;
  const broughtOwn = identified.headers.credentials.some((shown) => !identified.keyPlaces.includes(shown.place));
  return broughtOwn ? null : dialect.credentialHeader;
}
