import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { HocError } from '../schema/errors.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

function encrypt(key: Buffer, plain: Buffer, bound: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(bound));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64');
}

function decrypt(key: Buffer, packed: string, bound: string): Buffer {
  const bytes = Buffer.from(packed, 'base64');
  if (bytes.length < nonceBytes + tagBytes) throw new Error('too short');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(bound));
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes)), decipher.final()]);
}

/**
 * Reads the master key: exactly 32 bytes as base64. Throws `configuration_invalid` without echoing what it was given.
 */
export function readMasterKey(base64: string): Buffer {
  const key = Buffer.from(base64.trim(), 'base64');
  if (key.length !== keyBytes) {
    throw new HocError({
      code: 'configuration_invalid',
      publicMessage: 'HOC_MASTER_KEY must be 32 bytes as base64 (openssl rand -base64 32)',
    });
  }
  return key;
}

/**
 * Seals a secret: a data key of its own encrypts it with AES-256-GCM, and the master key encrypts the data key, so that a
 * new master key rewrites 48 bytes a credential. `bound` (its place, e.g. `cred_1:2`) is authenticated: an envelope that
 * is moved to another row does not open. Returns text to store.
 */
export function sealSecret(masterKey: Buffer, bound: string, secret: string): string {
  const dataKey = randomBytes(keyBytes);
  const key = encrypt(masterKey, dataKey, `hoc:data-key:${bound}`);
  const data = encrypt(dataKey, Buffer.from(secret, 'utf8'), `hoc:secret:${bound}`);
  dataKey.fill(0);
  return JSON.stringify({ v: 1, key, data });
}

/**
 * Opens what `sealSecret` made for the same `bound`. Throws `internal` where the master key is another one or a single bit
 * of the envelope was changed; the error never carries plaintext.
 */
export function openSecret(masterKey: Buffer, bound: string, envelope: string): string {
  try {
    const parts: unknown = JSON.parse(envelope);
    if (typeof parts !== 'object' || parts === null || !('v' in parts) || parts.v !== 1)
      throw new Error('unknown form');
    if (!('key' in parts) || typeof parts.key !== 'string') throw new Error('no key');
    if (!('data' in parts) || typeof parts.data !== 'string') throw new Error('no data');
    const dataKey = decrypt(masterKey, parts.key, `hoc:data-key:${bound}`);
    const secret = decrypt(dataKey, parts.data, `hoc:secret:${bound}`).toString('utf8');
    dataKey.fill(0);
    return secret;
  } catch (cause) {
    throw new HocError({
      code: 'internal',
      publicMessage: 'A stored credential does not open with this master key',
      cause,
    });
  }
}
