import { snapshotId } from '../../policy/evidence/index.ts';
import { type CompiledLimit, compileLimits } from '../../policy/limits/index.ts';
import { type CompiledPrices, compilePrices } from '../../policy/pricing/index.ts';
import { type CompiledPolicies, compilePolicies } from '../../policy/rules/index.ts';
import type {
  KeyDocument,
  KeyEntry,
  Manifest,
  ManifestTenant,
  PolicyDocument,
  PriceDocument,
  ProviderEntry,
  SnapshotDocument,
} from '../../storage/schema/snapshot.ts';

/** One tenant's documents, ready to decide with. Immutable: a run keeps the one it began with. */
export interface CompiledTenant {
  tenant: string;
  snapshotId: string;
  ids: ManifestTenant;
  document: PolicyDocument;
  keys: KeyDocument;
  providers: ReadonlyMap<string, ProviderEntry>;
  policies: CompiledPolicies;
  limits: readonly CompiledLimit[];
  prices: CompiledPrices;
}

export interface CompiledSnapshot {
  manifestId: string;
  manifest: Manifest;
  prices: CompiledPrices;
  tenants: ReadonlyMap<string, CompiledTenant>;
  /** By key hash. */
  keys: ReadonlyMap<string, { tenant: CompiledTenant; key: KeyEntry }>;
}

/** Documents of one manifest, by id. */
export type DocumentLookup = (id: string) => SnapshotDocument;

/**
 * Compiles a manifest's documents, taking over from `previous` whatever has the same id.
 *
 * Throws HocError `configuration_invalid` where a document does not compile; the caller then keeps the previous snapshot.
 */
export function compileSnapshot(input: {
  manifestId: string;
  manifest: Manifest;
  documents: DocumentLookup;
  previous: CompiledSnapshot | null;
}): CompiledSnapshot {
  const { manifest, previous } = input;
  const samePrices = previous?.manifest.prices === manifest.prices;
  const prices = samePrices ? previous.prices : compilePrices(input.documents(manifest.prices) as PriceDocument);
  const tenants = new Map<string, CompiledTenant>();
  const keys = new Map<string, { tenant: CompiledTenant; key: KeyEntry }>();
  for (const ids of manifest.tenants) {
    const old = previous?.tenants.get(ids.tenant);
    const tenant = compileTenant({ ids, pricesId: manifest.prices, prices, documents: input.documents, old });
    tenants.set(ids.tenant, tenant);
    for (const key of tenant.keys.keys) keys.set(key.hash, { tenant, key });
  }
  return { manifestId: input.manifestId, manifest, prices, tenants, keys };
}

function compileTenant(input: {
  ids: ManifestTenant;
  pricesId: string;
  prices: CompiledPrices;
  documents: DocumentLookup;
  old: CompiledTenant | undefined;
}): CompiledTenant {
  const { ids, old, documents } = input;
  const samePolicy = old?.ids.policy === ids.policy;
  const document = samePolicy ? old.document : (documents(ids.policy) as PolicyDocument);
  return {
    tenant: ids.tenant,
    snapshotId: snapshotId({ policy: ids.policy, keys: ids.keys, prices: input.pricesId }),
    ids,
    document,
    keys: old?.ids.keys === ids.keys ? old.keys : (documents(ids.keys) as KeyDocument),
    providers: samePolicy ? old.providers : new Map(document.providers.map((provider) => [provider.slug, provider])),
    policies: samePolicy ? old.policies : compilePolicies(document.policies),
    limits: samePolicy ? old.limits : compileLimits(document.limits),
    prices: input.prices,
  };
}

/** Every document id that a manifest names. */
export function documentIds(manifest: Manifest): string[] {
  return [manifest.prices, ...manifest.tenants.flatMap((tenant) => [tenant.policy, tenant.keys])];
}
