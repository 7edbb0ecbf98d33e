import type { TenantObjects } from '../../../storage/schema/control.ts';
import type {
  KeyDocument,
  LimitEntry,
  PolicyDocument,
  PolicyEntry,
  ProviderEntry,
} from '../../../storage/schema/snapshot.ts';
import type { TenantSettings } from '../configuration/tenant-settings.ts';

/** Order of documents: by UTF-8 bytes, which for code points is what comparing Buffers gives. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

/**
 * Everything one tenant's proxies decide with, from its live state. Policies that wait for approval are not in it.
 */
export function buildPolicyDocument(objects: TenantObjects): PolicyDocument {
  const active = objects.policies.filter((row) => row.state === 'active');
  return {
    v: 1,
    kind: 'policy',
    tenant: objects.tenant.slug,
    state: objects.tenant.state === 'active' ? 'active' : 'suspended',
    capture: objects.tenant.capture,
    sub_tenants: objects.sub_tenants
      .map(({ slug, parent }) => ({ slug, parent }))
      .sort((a, b) => compareBytes(a.slug, b.slug)),
    providers: objects.providers
      .map((row) => JSON.parse(row.definition) as ProviderEntry)
      .sort((a, b) => compareBytes(a.slug, b.slug)),
    policies: active
      .map((row) => ({ ...(JSON.parse(row.definition) as PolicyEntry), version: row.version }))
      .sort((a, b) => compareBytes(a.id, b.id)),
    limits: objects.limits
      .map((row) => JSON.parse(row.definition) as LimitEntry)
      .sort((a, b) => compareBytes(a.id, b.id)),
    ...(JSON.parse(objects.tenant.settings) as TenantSettings),
  };
}

/** The keys of one tenant: hashes and scopes, never a secret. Revoked keys stay, so that a refusal can name them. */
export function buildKeyDocument(objects: TenantObjects): KeyDocument {
  const keys = objects.keys.map((row) => ({
    id: row.id,
    name: row.name,
    hash: row.hash,
    sub_tenant: row.sub_tenant,
    provider: row.provider,
    actor: row.actor,
    expires_at_ms: row.expires_at_ms,
    state: row.state,
  }));
  return { v: 1, kind: 'keys', tenant: objects.tenant.slug, keys: keys.sort((a, b) => compareBytes(a.id, b.id)) };
}
