import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import t from 'tap';
import type {
  KeyDocument,
  Manifest,
  PolicyDocument,
  PriceDocument,
  SignedManifest,
} from '../../storage/schema/snapshot.ts';
import { createSnapshotFeed, type SnapshotCache } from './snapshot-feed.ts';

const pair = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');
const digest = (text: string) => createHash('sha256').update(text).digest('hex');

function createWorld() {
  const documents = new Map<string, string>();
  const put = (document: object) => {
    const bytes = JSON.stringify(document);
    documents.set(digest(bytes), bytes);
    return digest(bytes);
  };
  const prices: PriceDocument = { v: 1, kind: 'prices', source: 'test', lists: [] };
  const policy: PolicyDocument = {
    v: 1,
    kind: 'policy',
    tenant: 'acme',
    state: 'active',
    capture: 'full',
    sub_tenants: [],
    providers: [],
    policies: [],
    limits: [],
  };
  function manifest(sequence: number, keyHash: string, key = pair.privateKey): SignedManifest {
    const keys: KeyDocument = {
      v: 1,
      kind: 'keys',
      tenant: 'acme',
      keys: [
        {
          id: 'key_1',
          name: 'app',
          hash: keyHash,
          sub_tenant: null,
          provider: null,
          actor: null,
          expires_at_ms: null,
          state: 'active',
        },
      ],
    };
    const body: Manifest = {
      v: 1,
      kind: 'manifest',
      sequence,
      issued_at_ms: 0,
      prices: put(prices),
      tenants: [{ tenant: 'acme', policy: put(policy), keys: put(keys) }],
      proxies: 1,
      credentials_version: 0,
    };
    const bytes = JSON.stringify(body);
    return { id: digest(bytes), manifest: bytes, signature: sign(null, Buffer.from(bytes), key).toString('base64') };
  }
  return { documents, manifest };
}

function createMemoryCache(): SnapshotCache & { fetched: string[] } {
  const files = new Map<string, string>();
  let saved: SignedManifest | null = null;
  return {
    fetched: [],
    readManifest: async () => saved,
    saveManifest: async (manifest) => {
      saved = manifest;
    },
    readDocument: async (id) => files.get(id) ?? null,
    saveDocument: async (id, bytes) => {
      files.set(id, bytes);
    },
  };
}

function createFeed(
  world: ReturnType<typeof createWorld>,
  cache: SnapshotCache,
  current: { manifest: SignedManifest },
) {
  const fetched: string[] = [];
  const feed = createSnapshotFeed({
    source: {
      manifest: async () => current.manifest,
      document: async (id) => {
        fetched.push(id);
        return world.documents.get(id) ?? 'gone';
      },
    },
    cache,
    publicKey: pair.publicKey,
    nowMs: () => 5000,
    onChange: () => undefined,
  });
  return { feed, fetched };
}

t.test('a signed manifest comes into force, and only documents that changed are fetched', async (t) => {
  const world = createWorld();
  const current = { manifest: world.manifest(1, 'h1') };
  const { feed, fetched } = createFeed(world, createMemoryCache(), current);
  await feed.refresh();
  t.ok(feed.current()?.keys.has('h1'));
  t.equal(fetched.length, 3);
  current.manifest = world.manifest(2, 'h2');
  await feed.refresh();
  t.ok(feed.current()?.keys.has('h2'));
  t.notOk(feed.current()?.keys.has('h1'));
  t.equal(fetched.length, 4, 'the policy and price documents were taken over');
  t.equal(feed.ageMs(), 0);
});

t.test('what cannot be trusted never takes effect: the last good snapshot stays', async (t) => {
  const world = createWorld();
  const good = world.manifest(5, 'h1');
  const current = { manifest: good };
  const { feed } = createFeed(world, createMemoryCache(), current);
  await feed.refresh();
  const forged = world.manifest(6, 'h2', other.privateKey);
  const edited = { ...world.manifest(6, 'h2'), id: good.id.replace(/^./, 'f') };
  const older = world.manifest(4, 'h2');
  for (const bad of [forged, edited, older]) {
    current.manifest = bad;
    await t.rejects(feed.refresh(), { code: 'configuration_invalid' });
    t.ok(feed.current()?.keys.has('h1'));
  }
});

t.test('a document that does not match its digest is refused', async (t) => {
  const world = createWorld();
  const manifest = world.manifest(1, 'h1');
  for (const id of world.documents.keys()) world.documents.set(id, '{}');
  const { feed } = createFeed(world, createMemoryCache(), { manifest });
  await t.rejects(feed.refresh(), { code: 'configuration_invalid' });
  t.equal(feed.current(), null);
});

t.test('a proxy starts from the last good snapshot on its disk while control is away', async (t) => {
  const world = createWorld();
  const cache = createMemoryCache();
  const first = createFeed(world, cache, { manifest: world.manifest(3, 'h1') });
  await first.feed.refresh();
  const second = createSnapshotFeed({
    source: { manifest: () => Promise.reject(new Error('away')), document: () => Promise.reject(new Error('away')) },
    cache,
    publicKey: pair.publicKey,
    nowMs: () => 0,
    onChange: () => undefined,
  });
  t.equal(await second.restore(), true);
  t.ok(second.current()?.keys.has('h1'));
  t.equal(second.ageMs(), null, 'control has not confirmed it yet');
});
