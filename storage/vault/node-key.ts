import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { HocError } from '../schema/errors.ts';
import type { CredentialDocument, SealedCredentials } from '../schema/snapshot.ts';

const nonceBytes = 12;
const tagBytes = 16;

/** A node's X25519 key pair, DER as base64: SPKI goes to control, PKCS8 never leaves the node. */
export interface NodeKey {
  publicKey: string;
  privateKey: string;
}

/** Makes a new key pair for a node that enrols. */
export function createNodeKey(): NodeKey {
  const pair = generateKeyPairSync('x25519');
  return {
    publicKey: pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
  };
}

/** Reads an X25519 public key (SPKI DER, base64). Throws `input_invalid` for anything else. */
export function readNodePublicKey(base64: string): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'x25519') throw new Error('not x25519');
    return key;
  } catch (cause) {
    throw new HocError({
      code: 'input_invalid',
      publicMessage: 'public_key must be an X25519 key, SPKI DER as base64',
      cause,
    });
  }
}

function exportPublic(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** One key a message: both public keys enter the derivation, so that a message is bound to its receiver. */
function deriveKey(shared: Buffer, ephemeral: Buffer, receiver: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, receiver]), 'hoc credentials v1', 32));
}

function boundTo(nodeId: string, version: number): Buffer {
  return Buffer.from(`hoc:credentials:${nodeId}:${version}`);
}

/**
 * Seals a credential document so that only the holder of the node's private key reads it: ephemeral X25519, HKDF-SHA256,
 * AES-256-GCM, with node id and version authenticated. Throws `input_invalid` for a bad public key.
 */
export function sealToNode(node: { id: string; publicKey: string }, document: CredentialDocument): SealedCredentials {
  const receiver = readNodePublicKey(node.publicKey);
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralPublic = exportPublic(ephemeral.publicKey);
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: receiver });
  const key = deriveKey(shared, ephemeralPublic, exportPublic(receiver));
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(boundTo(node.id, document.version));
  const sealed = [cipher.update(JSON.stringify(document), 'utf8'), cipher.final(), cipher.getAuthTag()];
  return {
    node_id: node.id,
    version: document.version,
    ephemeral_public_key: ephemeralPublic.toString('base64'),
    nonce: nonce.toString('base64'),
    ciphertext: Buffer.concat(sealed).toString('base64'),
  };
}

/**
 * Opens a sealed credential document with the node's private key (PKCS8 DER, base64). Throws `internal` where it is sealed
 * to another key or anything in it was changed.
 */
export function openAtNode(privateKey: string, sealed: SealedCredentials): CredentialDocument {
  try {
    const own = createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' });
    const ephemeral = Buffer.from(sealed.ephemeral_public_key, 'base64');
    const shared = diffieHellman({ privateKey: own, publicKey: readNodePublicKey(sealed.ephemeral_public_key) });
    const key = deriveKey(shared, ephemeral, exportPublic(createPublicKey(own)));
    const bytes = Buffer.from(sealed.ciphertext, 'base64');
    const nonce = Buffer.from(sealed.nonce, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(boundTo(sealed.node_id, sealed.version));
    decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
    const plain = [decipher.update(bytes.subarray(0, bytes.length - tagBytes)), decipher.final()];
    return JSON.parse(Buffer.concat(plain).toString('utf8')) as CredentialDocument;
  } catch (cause) {
    throw new HocError({ code: 'internal', publicMessage: 'Sealed credentials do not open with this node key', cause });
  }
}
