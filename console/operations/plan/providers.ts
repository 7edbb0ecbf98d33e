import { timingSafeEqual } from 'node:crypto';
import { canonicalJson } from '../../../policy/evidence/index.ts';
import type { CredentialRow, ProviderRow, TenantObjects } from '../../../storage/schema/control.ts';
import type { CredentialReference, ProviderEntry } from '../../../storage/schema/snapshot.ts';
import type { ProviderConfiguration } from '../../contract/configuration.ts';
import { readProviderEntry } from '../configuration/entries.ts';
import type { Secrets } from '../configuration/secrets.ts';
import type { FieldPath } from '../configuration/source.ts';
import type { ControlTransaction } from '../ports.ts';
import { settingNames } from '../snapshot/issue.ts';
import { nothing, type PlannedChange } from './change-list.ts';
import { mayChange, type Planner } from './places.ts';

const credentialIdBytes = 6;

/** Where a credential version stands; its envelope opens only there. */
export function placeOfCredential(id: string, version: number): string {
  return `${id}:${version}`;
}

function isSameSecret(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Tells proxies, through the next manifest, that their sealed credentials are out of date. */
async function bumpCredentialsVersion(tx: ControlTransaction): Promise<void> {
  const version = Number((await tx.readSetting(settingNames.credentialsVersion)) ?? '0') + 1;
  await tx.saveSetting({ name: settingNames.credentialsVersion, value: String(version) });
}

interface Sealing {
  reference: CredentialReference;
  /** The new version to store, where the secret is new. */
  row: CredentialRow | null;
}

/** The version that holds this secret: the newest stored one where it is the same, else one above. */
async function planCredential(
  { tx, context }: Planner,
  place: { tenant: string; provider: string; secret: string; stored: readonly CredentialRow[] },
): Promise<Sealing> {
  const newest = place.stored.at(-1);
  if (newest !== undefined && newest.envelope !== null) {
    const secret = context.vault.open(placeOfCredential(newest.id, newest.version), newest.envelope);
    if (isSameSecret(secret, place.secret)) {
      return { reference: { kind: 'vault', id: newest.id, version: newest.version }, row: null };
    }
  }
  const latest = await tx.readLatestCredential(place.tenant, place.provider);
  const id = latest?.id ?? `cred_${context.randomHex(credentialIdBytes)}`;
  const version = (latest?.version ?? 0) + 1;
  const row: CredentialRow = {
    id,
    version,
    tenant: place.tenant,
    provider: place.provider,
    envelope: context.vault.seal(placeOfCredential(id, version), place.secret),
    created_at_ms: context.now(),
  };
  return { reference: { kind: 'vault', id, version }, row };
}

/** Plans the providers of one tenant, with their sealed credentials. */
export async function planProviders(
  planner: Planner,
  tenant: {
    slug: string;
    path: FieldPath;
    wanted: readonly ProviderConfiguration[];
    secrets: Secrets;
    current: TenantObjects | null;
  },
): Promise<PlannedChange[]> {
  const standing = new Map(tenant.current?.providers.map((row) => [row.slug, row]));
  const changes: PlannedChange[] = [];
  for (const [index, wanted] of tenant.wanted.entries()) {
    const before = standing.get(wanted.slug) ?? null;
    standing.delete(wanted.slug);
    const path = [...tenant.path, 'providers', index, 'slug'];
    if (before !== null && !mayChange(planner, path, { owner: before.owner, what: `Provider \`${wanted.slug}\`` }))
      continue;
    const stored = (tenant.current?.credentials ?? []).filter((row) => row.provider === wanted.slug);
    const { credential } = wanted;
    const sealing: Sealing =
      credential === undefined || credential === 'passthrough'
        ? { reference: { kind: 'passthrough' }, row: null }
        : await planCredential(planner, {
            tenant: tenant.slug,
            provider: wanted.slug,
            secret: tenant.secrets.get(credential.env) ?? '',
            stored,
          });
    const definition = canonicalJson(readProviderEntry(wanted, sealing.reference));
    const after: ProviderRow = { tenant: tenant.slug, slug: wanted.slug, owner: planner.owner, definition };
    changes.push(planProvider(before, after, { ...sealing, stored }));
  }
  const gone = [...standing.values()].filter((row) => row.owner === planner.owner);
  return [...changes, ...gone.map((row) => planProviderEnd(row, tenant.current?.credentials ?? []))];
}

function showProvider(row: ProviderRow): unknown {
  return { ...(JSON.parse(row.definition) as ProviderEntry), owner: row.owner };
}

function planProvider(
  before: ProviderRow | null,
  after: ProviderRow,
  credential: Sealing & { stored: readonly CredentialRow[] },
): PlannedChange {
  const isSame = before !== null && before.definition === after.definition && before.owner === after.owner;
  const write: PlannedChange['write'] = async (tx) => {
    await tx.saveProvider(after);
    const { reference, row, stored } = credential;
    if (row !== null) {
      await tx.insertCredential(row);
      // The version before stays for proxies that have not got the new manifest yet.
      await tx.wipeCredentialsBelow(row.id, row.version - 1);
      await bumpCredentialsVersion(tx);
    } else if (reference.kind === 'passthrough') await wipeCredentials(tx, stored);
    return [];
  };
  return {
    change: before === null ? 'created' : isSame ? 'unchanged' : 'updated',
    objectType: 'provider',
    tenant: after.tenant,
    object: after.slug,
    objectId: after.slug,
    act: before === null ? 'provider.create' : 'provider.update',
    before: before === null ? null : showProvider(before),
    after: showProvider(after),
    note: credential.row === null ? null : `credential sealed as version ${credential.row.version}`,
    write: isSame ? nothing : write,
  };
}

function planProviderEnd(row: ProviderRow, credentials: readonly CredentialRow[]): PlannedChange {
  return {
    change: 'removed',
    objectType: 'provider',
    tenant: row.tenant,
    object: row.slug,
    objectId: row.slug,
    act: 'provider.remove',
    before: showProvider(row),
    after: null,
    note: null,
    write: async (tx) => {
      await tx.deleteProvider(row.tenant, row.slug);
      await wipeCredentials(
        tx,
        credentials.filter((credential) => credential.provider === row.slug),
      );
      return [];
    },
  };
}

async function wipeCredentials(tx: ControlTransaction, stored: readonly CredentialRow[]): Promise<void> {
  if (stored.length === 0) return;
  for (const row of stored) await tx.wipeCredentialsBelow(row.id, row.version + 1);
  await bumpCredentialsVersion(tx);
}
