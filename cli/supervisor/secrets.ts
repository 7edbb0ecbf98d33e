import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readJson, writeJson } from './folder.ts';

/** Everything secret that one installation lives by. `DIR/secrets.json`, mode 0600. */
export interface Secrets {
  /** Names the installation; not secret itself. */
  installation: string;
  postgresPassword: string;
  redisPassword: string;
  clickhousePassword: string;
  keyHashSecret: string;
  /** 32 bytes, base64. */
  masterKey: string;
  /** Ed25519, PKCS8 DER, base64. */
  snapshotKey: string;
  nodeToken: string;
  /** The platform-operator token of run.json. */
  serviceToken: string;
  /** The starter configuration's key, read back each time that file is applied. */
  firstKey: string;
  /** Whether a person has seen that key: a start that failed before its end shows it the next time. */
  firstKeyShown: boolean;
}

const fileName = 'secrets.json';

/** Reads the secrets of a data folder, or makes them on its first start. */
export function openSecrets(folder: string): Secrets {
  const path = join(folder, fileName);
  const found = readJson<Secrets>(path);
  if (found !== null) return found;
  const secrets = makeSecrets();
  writeJson(path, secrets);
  return secrets;
}

/** Remembers that the first key was shown, so that it is shown only once. */
export function markFirstKeyShown(folder: string, secrets: Secrets): void {
  writeJson(join(folder, fileName), { ...secrets, firstKeyShown: true });
}

/** The public half of the snapshot key, SPKI DER, base64: what proxies check manifests with. */
export function snapshotPublicKey(secrets: Secrets): string {
  const key = createPrivateKey({ key: Buffer.from(secrets.snapshotKey, 'base64'), format: 'der', type: 'pkcs8' });
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64');
}

/** A token of 256 random bits with a prefix that says what it is for. */
export function makeToken(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString('base64url').replaceAll('-', 'a').replaceAll('_', 'b')}`;
}

function makeSecrets(): Secrets {
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    installation: randomBytes(8).toString('hex'),
    postgresPassword: randomBytes(24).toString('hex'),
    redisPassword: randomBytes(24).toString('hex'),
    clickhousePassword: randomBytes(24).toString('hex'),
    keyHashSecret: randomBytes(32).toString('base64'),
    masterKey: randomBytes(32).toString('base64'),
    snapshotKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    nodeToken: makeToken('hocnode'),
    serviceToken: makeToken('hocsvc'),
    firstKey: makeToken('hoc'),
    firstKeyShown: false,
  };
}
