import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** Turns a key's secret into the only form in which it is stored or compared: lower-case hex. */
export type KeyHasher = (secret: string) => string;

/**
 * Makes the hasher of one installation.
 *
 * HMAC-SHA256 under `HOC_KEY_HASH_SECRET` (its text as UTF-8), so that a stolen database does not let anybody test guesses,
 * and a lookup by hash takes the same time whatever the key's content. Two keys that share a prefix are two keys.
 */
export function createKeyHasher(hashSecret: string): KeyHasher {
  const key: KeyObject = createSecretKey(Buffer.from(hashSecret, 'utf8'));
  return (secret) => createHmac('sha256', key).update(secret, 'utf8').digest('hex');
}

/**
 * Remembers the hashes of the last secrets shown, up to `capacity`, then forgets all: an HMAC a call is a twentieth of what
 * a run costs. Nothing is learned from its speed but by who shows the whole secret. Secrets stay in memory, never elsewhere.
 */
export function rememberHashes(hash: KeyHasher, capacity: number): KeyHasher {
  const known = new Map<string, string>();
  return (secret) => {
    const found = known.get(secret);
    if (found !== undefined) return found;
    const made = hash(secret);
    if (secret.length > maxRememberedLength) return made;
    if (known.size >= capacity) known.clear();
    known.set(secret, made);
    return made;
  };
}

const maxRememberedLength = 256;
