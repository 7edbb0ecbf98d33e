import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { HocError } from '../../../storage/schema/errors.ts';

/** Reads HOC_SNAPSHOT_KEY: an Ed25519 private key, PKCS8 DER as base64. Never echoes what it was given. */
export function readSnapshotKey(base64: string): KeyObject {
  try {
    const key = createPrivateKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'pkcs8' });
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('not ed25519');
    return key;
  } catch (cause) {
    const publicMessage = 'HOC_SNAPSHOT_KEY must be an Ed25519 private key, PKCS8 DER as base64';
    throw new HocError({ code: 'configuration_invalid', publicMessage, cause });
  }
}

/** Ed25519 over the manifest's exact bytes, base64. */
export function signManifest(key: KeyObject, bytes: Buffer): string {
  return sign(null, bytes, key).toString('base64');
}

/** Whether the signature over these bytes was made with this private key's own public key. */
export function isSignedBy(key: KeyObject, bytes: Buffer, signature: string): boolean {
  return verify(null, bytes, createPublicKey(key), Buffer.from(signature, 'base64'));
}
