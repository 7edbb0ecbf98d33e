import { type DetectorId, sensitiveDetectors, warmDetectors, warmScans } from '../../policy/detectors/index.ts';
import { snapshotId } from '../../policy/evidence/index.ts';
import { type CompiledLimit, compileLimits, computeSubTenantPaths } from '../../policy/limits/index.ts';
import { type CompiledPrices, compilePrices, overlayPrices } from '../../policy/pricing/index.ts';
import { type CompiledPolicies, compileInSteps, phases } from '../../policy/rules/index.ts';
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
import { scansByFact } from './scans-by-fact.ts';

/** One tenant's documents, ready to decide with. Immutable: a run keeps the one it began with. */
export interface CompiledTenant {
  tenant: string;
  snapshotId: string;
  ids: ManifestTenant;
  document: PolicyDocument;
  keys: KeyDocument;
  providers: ReadonlyMap<string, ProviderEntry>;
  policies: CompiledPolicies;
  /** Whether any of its policies is enforced. */
  enforces: boolean;
  limits: readonly CompiledLimit[];
  /** Of each sub-tenant the path to its root, itself first. */
  subTenantPaths: ReadonlyMap<string, readonly string[]>;
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

/** Gives the event loop its turn when a slice of work has lasted long enough; answers at once otherwise. */
export type Breathe = () => Promise<void> | undefined;

/** How long compiling may hold the event loop in one go: streams and other runs wait behind it. */
const sliceMs = 5;
/** Keys that are entered between two looks at the clock: a few microseconds. */
const keysPerLook = 256;

/** Slices work by a monotonic clock in milliseconds. */
export function createBreathe(nowMs: () => number): Breathe {
  let sinceMs = nowMs();
  return () => {
    if (nowMs() - sinceMs < sliceMs) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        sinceMs = nowMs();
        resolve();
      });
    });
  };
}

/**
 * Compiles a manifest's documents, taking over from `previous` whatever has the same id, in slices of about 5 ms.
 *
 * Rejects with HocError `configuration_invalid` where a document does not compile; the caller then keeps the previous
 * snapshot.
 */
export async function compileSnapshot(input: {
  manifestId: string;
  manifest: Manifest;
  documents: DocumentLookup;
  previous: CompiledSnapshot | null;
  breathe: Breathe;
}): Promise<CompiledSnapshot> {
  const { manifest, previous, breathe } = input;
  const samePrices = previous?.manifest.prices === manifest.prices;
  const prices = samePrices ? previous.prices : compilePrices(input.documents(manifest.prices) as PriceDocument);
  const tenants = new Map<string, CompiledTenant>();
  const keys = new Map<string, { tenant: CompiledTenant; key: KeyEntry }>();
  for (const ids of manifest.tenants) {
    const old = previous?.tenants.get(ids.tenant);
    const tenant = await compileTenant({ ...input, ids, prices, old });
    tenants.set(ids.tenant, tenant);
    for (const [index, key] of tenant.keys.keys.entries()) {
      keys.set(key.hash, { tenant, key });
      if (index % keysPerLook === 0) await breathe();
    }
  }
  return { manifestId: input.manifestId, manifest, prices, tenants, keys };
}

async function compileTenant(input: {
  ids: ManifestTenant;
  manifest: Manifest;
  prices: CompiledPrices;
  documents: DocumentLookup;
  old: CompiledTenant | undefined;
  breathe: Breathe;
}): Promise<CompiledTenant> {
  const { ids, old, documents } = input;
  const samePolicy = old?.ids.policy === ids.policy;
  const document = samePolicy ? old.document : (documents(ids.policy) as PolicyDocument);
  return {
    tenant: ids.tenant,
    snapshotId: snapshotId({ policy: ids.policy, keys: ids.keys, prices: input.manifest.prices }),
    ids,
    document,
    keys: old?.ids.keys === ids.keys ? old.keys : (documents(ids.keys) as KeyDocument),
    providers: samePolicy ? old.providers : new Map(document.providers.map((provider) => [provider.slug, provider])),
    policies: samePolicy ? old.policies : await compilePolicies(document, input.breathe),
    enforces: document.policies.some(({ mode }) => mode === 'enforce'),
    limits: samePolicy ? old.limits : compileLimits(document.limits),
    subTenantPaths: samePolicy ? old.subTenantPaths : computeSubTenantPaths(document.sub_tenants),
    prices: placePrices(document, { shared: input.prices, old: samePolicy ? old.prices : null }),
  };
}

async function compilePolicies(document: PolicyDocument, breathe: Breathe): Promise<CompiledPolicies> {
  const policies = await inSlices(compileInSteps(document.policies), breathe);
  const named = phases.flatMap((phase) => policies.detectorsNamed(phase)) as DetectorId[];
  const redacted = document.capture === 'redacted' ? sensitiveDetectors : [];
  await inSlices(warmDetectors([...named, ...redacted]), breathe);
  for (const phase of phases) {
    for (const scans of scansByFact(policies.scansNamed(phase)).values()) await inSlices(warmScans(scans), breathe);
  }
  return policies;
}

async function inSlices<T>(steps: Generator<unknown, T>, breathe: Breathe): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await breathe();
  }
}

/** The shared prices, with the tenant's own in front where it has any. */
function placePrices(
  document: PolicyDocument,
  prices: { shared: CompiledPrices; old: CompiledPrices | null },
): CompiledPrices {
  const { shared, old } = prices;
  if (document.prices === undefined) return shared;
  return old?.lists === shared.lists ? old : overlayPrices(shared, document.prices);
}

/** Every document id that a manifest names. */
export function documentIds(manifest: Manifest): string[] {
  return [manifest.prices, ...manifest.tenants.flatMap((tenant) => [tenant.policy, tenant.keys])];
}
