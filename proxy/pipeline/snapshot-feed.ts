import { createHash, type KeyObject, verify } from 'node:crypto';
import { HocError } from '../../storage/schema/errors.ts';
import type { Manifest, SignedManifest, SnapshotDocument } from '../../storage/schema/snapshot.ts';
import { type CompiledSnapshot, compileSnapshot, createBreathe, documentIds } from './snapshot.ts';

/** Control, as this proxy reads it. */
export interface ManifestSource {
  manifest(): Promise<SignedManifest>;
  /** Exact canonical bytes. */
  document(id: string): Promise<string>;
}

/** The last good snapshot on this proxy's disk. */
export interface SnapshotCache {
  readManifest(): Promise<SignedManifest | null>;
  saveManifest(manifest: SignedManifest): Promise<void>;
  readDocument(id: string): Promise<string | null>;
  saveDocument(id: string, bytes: string): Promise<void>;
}

export interface SnapshotFeed {
  current(): CompiledSnapshot | null;
  /** Milliseconds since control last confirmed what is in force; null before the first time. */
  ageMs(): number | null;
  /** Brings the newest manifest into force. Rejects, and keeps the last good one, where it cannot be trusted or compiled. */
  refresh(): Promise<void>;
  /** Starts from the disk. False where there is nothing there that can be trusted. */
  restore(): Promise<boolean>;
}

/**
 * Keeps the snapshot in force: fetches what changed, checks signature, ids and sequence, compiles, saves, then switches.
 *
 * A manifest that fails any of it never takes effect: the last good snapshot stays in force and `refresh` rejects, which
 * the caller turns into a metric and an alarm.
 */
export function createSnapshotFeed(input: {
  source: ManifestSource;
  cache: SnapshotCache;
  publicKey: KeyObject;
  nowMs: () => number;
  onChange: (snapshot: CompiledSnapshot) => void;
}): SnapshotFeed {
  const taker = createTaker(input);
  let confirmedAtMs: number | null = null;
  let running: Promise<void> | null = null;

  async function refreshOnce(): Promise<void> {
    const signed = await input.source.manifest();
    const changed = await taker.take(signed, async (id) => {
      const cached = await input.cache.readDocument(id);
      if (cached !== null && hashOf(cached) === id) return cached;
      const bytes = await input.source.document(id);
      await input.cache.saveDocument(id, bytes);
      return bytes;
    });
    if (changed) await input.cache.saveManifest(signed);
    confirmedAtMs = input.nowMs();
  }

  return {
    current: taker.current,
    ageMs: () => (confirmedAtMs === null ? null : input.nowMs() - confirmedAtMs),
    async refresh() {
      while (running !== null) await running.catch(() => undefined);
      running = refreshOnce().finally(() => {
        running = null;
      });
      return running;
    },
    async restore() {
      const signed = await input.cache.readManifest();
      if (signed === null) return false;
      await taker.take(signed, async (id) => (await input.cache.readDocument(id)) ?? missing(id));
      return true;
    },
  };
}

/** Takes manifests into force: checks, fetches what is new, compiles, and only then switches. */
function createTaker(input: {
  publicKey: KeyObject;
  nowMs: () => number;
  onChange: (snapshot: CompiledSnapshot) => void;
}) {
  const { publicKey, nowMs, onChange } = input;
  let current: CompiledSnapshot | null = null;

  /** False where this manifest is in force already. */
  async function take(signed: SignedManifest, fetchDocument: (id: string) => Promise<string>): Promise<boolean> {
    if (signed.id === current?.manifestId) return false;
    const manifest = readManifest(signed, publicKey);
    if (current !== null && manifest.sequence < current.manifest.sequence) {
      throw untrusted(`manifest ${manifest.sequence} is older than ${current.manifest.sequence}, which is in force`);
    }
    const documents = new Map<string, SnapshotDocument>();
    const known = current === null ? new Set<string>() : new Set(documentIds(current.manifest));
    for (const id of documentIds(manifest)) {
      if (!known.has(id)) documents.set(id, parseDocument(id, await fetchDocument(id)));
    }
    current = await compileSnapshot({
      manifestId: signed.id,
      manifest,
      previous: current,
      documents: (id) => documents.get(id) ?? missing(id),
      breathe: createBreathe(nowMs),
    });
    onChange(current);
    return true;
  }

  return { take, current: () => current };
}

function readManifest(signed: SignedManifest, publicKey: KeyObject): Manifest {
  if (hashOf(signed.manifest) !== signed.id) throw untrusted('its id is not the digest of its bytes');
  const good = verify(null, Buffer.from(signed.manifest), publicKey, Buffer.from(signed.signature, 'base64'));
  if (!good) throw untrusted('its signature is not by the snapshot key');
  return JSON.parse(signed.manifest) as Manifest;
}

function parseDocument(id: string, bytes: string): SnapshotDocument {
  if (hashOf(bytes) !== id) throw untrusted(`document ${id} does not match its digest`);
  return JSON.parse(bytes) as SnapshotDocument;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function missing(id: string): never {
  throw untrusted(`document ${id} is missing`);
}

function untrusted(why: string): HocError {
  return new HocError({
    code: 'configuration_invalid',
    publicMessage: `The snapshot was not taken into force: ${why}.`,
  });
}
