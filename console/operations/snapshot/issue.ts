import { canonicalJson, sha256Hex, snapshotId } from '../../../policy/evidence/index.ts';
import type { DocumentRow, ManifestRow, SnapshotRow, TenantObjects } from '../../../storage/schema/control.ts';
import { HocError } from '../../../storage/schema/errors.ts';
import type { Manifest, SnapshotDocument } from '../../../storage/schema/snapshot.ts';
import type { Act } from '../audit.ts';
import type { ControlContext } from '../context.ts';
import type { ControlTransaction } from '../ports.ts';
import { buildKeyDocument, buildPolicyDocument, compareBytes } from './documents.ts';
import { isSignedBy, signManifest } from './signature.ts';

/** Names of the settings that a manifest is made of. */
export const settingNames = {
  prices: 'prices_sha256',
  proxies: 'proxies',
  credentialsVersion: 'credentials_version',
} as const;

/** Stores a document under the digest of its canonical bytes and returns that digest. */
export async function saveSnapshotDocument(
  tx: ControlTransaction,
  context: ControlContext,
  document: SnapshotDocument,
): Promise<string> {
  const bytes = Buffer.from(canonicalJson(document), 'utf8');
  const row: DocumentRow = {
    sha256: sha256Hex(bytes),
    kind: document.kind,
    tenant: document.kind === 'prices' ? null : document.tenant,
    bytes,
    created_at_ms: context.now(),
  };
  await tx.saveDocument(row);
  return row.sha256;
}

/**
 * Builds the documents of the touched tenants and, where anything differs from the manifest in force (or that one is
 * signed with another key), issues the next one: sequence plus one, canonical bytes, Ed25519 signature.
 *
 * Runs inside a change, under the snapshot's lock. Returns the manifest in force and, where one was issued, its audit act.
 */
export async function issueManifest(
  tx: ControlTransaction,
  context: ControlContext,
  touched: Iterable<string>,
): Promise<{ manifest: ManifestRow; issued: boolean; act: Act | null }> {
  for (const objects of await tx.readTenantObjects([...new Set(touched)])) await buildDocuments(tx, context, objects);
  const last = await tx.readLatestManifest();
  const content = await readContent(tx);
  if (last !== null && isCurrent(context, last, content)) return { manifest: last, issued: false, act: null };
  const manifest: Manifest = {
    ...content,
    sequence: (last?.sequence ?? 0) + 1,
    issued_at_ms: context.now(),
  };
  const bytes = Buffer.from(canonicalJson(manifest), 'utf8');
  const row: ManifestRow = {
    sequence: manifest.sequence,
    id: sha256Hex(bytes),
    bytes,
    signature: signManifest(context.snapshotKey, bytes),
    issued_at_ms: manifest.issued_at_ms,
  };
  await tx.insertManifest(row);
  await tx.saveSnapshots(listSnapshots(manifest, last));
  const act: Act = {
    tenant: '',
    act: 'snapshot.publish',
    objectType: 'manifest',
    objectId: row.id,
    before: null,
    after: null,
    facts: { sequence: row.sequence, tenants: manifest.tenants.length, proxies: manifest.proxies },
  };
  return { manifest: row, issued: true, act };
}

/** What the manifest brings together that the one before it did not. */
function listSnapshots(manifest: Manifest, last: ManifestRow | null): SnapshotRow[] {
  const before = last === null ? null : (JSON.parse(last.bytes.toString('utf8')) as Manifest);
  const known = new Map((before?.tenants ?? []).map((one) => [one.tenant, one]));
  const isKnown = ({ tenant, policy, keys }: Manifest['tenants'][number]): boolean =>
    before?.prices === manifest.prices && known.get(tenant)?.policy === policy && known.get(tenant)?.keys === keys;
  const { prices, issued_at_ms } = manifest;
  return manifest.tenants
    .filter((one) => !isKnown(one))
    .map(({ tenant, policy, keys }) => ({
      id: snapshotId({ policy, keys, prices }),
      ...{ tenant, policy, keys, prices, issued_at_ms },
    }));
}

async function buildDocuments(tx: ControlTransaction, context: ControlContext, objects: TenantObjects): Promise<void> {
  if (objects.tenant.state === 'terminated') return;
  const policy = await saveSnapshotDocument(tx, context, buildPolicyDocument(objects));
  const keys = await saveSnapshotDocument(tx, context, buildKeyDocument(objects));
  if (policy === objects.tenant.policy_sha256 && keys === objects.tenant.keys_sha256) return;
  await tx.updateTenant(objects.tenant.slug, { policy_sha256: policy, keys_sha256: keys });
}

type Content = Omit<Manifest, 'sequence' | 'issued_at_ms'>;

async function readContent(tx: ControlTransaction): Promise<Content> {
  const prices = await tx.readSetting(settingNames.prices);
  if (prices === null)
    throw new HocError({ code: 'not_ready', publicMessage: 'Control has not stored its price document yet' });
  const tenants: Manifest['tenants'][number][] = [];
  for (const row of await tx.readTenants()) {
    if (row.state === 'terminated' || row.policy_sha256 === null || row.keys_sha256 === null) continue;
    tenants.push({
      tenant: row.slug,
      policy: row.policy_sha256,
      keys: row.keys_sha256,
      counter_epoch: row.counter_epoch,
    });
  }
  return {
    v: 1,
    kind: 'manifest',
    prices,
    tenants: tenants.sort((a, b) => compareBytes(a.tenant, b.tenant)),
    proxies: Number((await tx.readSetting(settingNames.proxies)) ?? '1'),
    credentials_version: Number((await tx.readSetting(settingNames.credentialsVersion)) ?? '0'),
  };
}

function isCurrent(context: ControlContext, last: ManifestRow, content: Content): boolean {
  const { sequence: _sequence, issued_at_ms: _issued, ...before } = JSON.parse(last.bytes.toString('utf8')) as Manifest;
  return (
    canonicalJson(before) === canonicalJson(content) && isSignedBy(context.snapshotKey, last.bytes, last.signature)
  );
}
