import type { CredentialDocument, SealedCredentials } from '../../storage/schema/snapshot.ts';
import type { CredentialPort } from './ports.ts';

interface NodeKey {
  publicKey: string;
  privateKey: string;
}

/** Who this node is to control. The private key never leaves the node. */
export interface NodeIdentity {
  node_id: string;
  node_token: string;
  key: NodeKey;
}

export interface CredentialStore extends CredentialPort {
  /** Brings the credentials of this version into memory; rejects, and keeps the old ones, where that fails. */
  refresh(version: number): Promise<void>;
}

/**
 * Provider credentials of this node: enrols once, then fetches the document sealed to its key whenever the manifest names
 * another version. Secrets stay in memory; only the node's identity is saved.
 */
export function createCredentialStore(input: {
  name: string;
  link: {
    enrol(name: string, publicKey: string): Promise<{ node_id: string; node_token: string }>;
    credentials(nodeToken: string): Promise<SealedCredentials>;
  };
  identity: { read(): Promise<NodeIdentity | null>; save(identity: NodeIdentity): Promise<void> };
  createKey: () => NodeKey;
  open: (privateKey: string, sealed: SealedCredentials) => CredentialDocument;
}): CredentialStore {
  let secrets = new Map<string, string>();
  let current: number | null = null;
  let identity: NodeIdentity | null = null;

  async function enrolled(): Promise<NodeIdentity> {
    identity ??= await input.identity.read();
    if (identity !== null) return identity;
    const key = input.createKey();
    identity = { ...(await input.link.enrol(input.name, key.publicKey)), key };
    await input.identity.save(identity);
    return identity;
  }

  return {
    find: (id, version) => secrets.get(`${id}@${version}`) ?? null,
    async refresh(version) {
      if (version === current) return;
      const node = await enrolled();
      const document = input.open(node.key.privateKey, await input.link.credentials(node.node_token));
      secrets = new Map(document.credentials.map((entry) => [`${entry.id}@${entry.version}`, entry.secret]));
      current = version;
    },
  };
}
