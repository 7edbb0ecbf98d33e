import type { ApiKeyRow, LimitRow, TenantObjects } from '../../../storage/schema/control.ts';
import type { ConfigurationFile, TenantConfiguration } from '../../contract/configuration.ts';
import { configurationDefaults } from '../../contract/configuration.ts';
import type { Secrets } from '../configuration/secrets.ts';
import type { FieldPath } from '../configuration/source.ts';
import type { PlannedChange } from './change-list.ts';
import { planKeys } from './keys.ts';
import { planLimits } from './limits.ts';
import { type Planner, reportAt } from './places.ts';
import { planPolicies } from './policies.ts';
import { planProviders } from './providers.ts';
import { planSubTenants, planTenant, planTenantEnd } from './tenants.ts';

/**
 * Compares a checked file with the state and plans every change, in the order in which they are made. What stands in the
 * way (objects of another owner, secrets in use elsewhere, references that would break) becomes a finding of the planner;
 * with any finding, nothing of the plan may be carried out.
 */
export async function planConfiguration(
  planner: Planner,
  file: { configuration: ConfigurationFile; secrets: Secrets },
): Promise<PlannedChange[]> {
  const { tx } = planner;
  const rows = await tx.readTenants();
  const named = new Set(file.configuration.tenants.map((tenant) => tenant.slug));
  const left = rows.filter((row) => row.owner === planner.owner && row.state !== 'terminated' && !named.has(row.slug));
  const slugs = [...named, ...left.map((row) => row.slug)];
  const states = new Map((await tx.readTenantObjects(slugs)).map((objects) => [objects.tenant.slug, objects]));
  const changes: PlannedChange[] = [];
  for (const [index, configuration] of file.configuration.tenants.entries()) {
    const current = states.get(configuration.slug) ?? null;
    const wanted = { configuration, path: ['tenants', index], secrets: file.secrets };
    changes.push(...(await planOneTenant(planner, wanted, current)));
  }
  for (const row of left) {
    const current = states.get(row.slug) ?? null;
    const wanted = { configuration: { slug: row.slug }, path: ['tenants'], secrets: file.secrets };
    const objects = await planObjects(planner, wanted, current);
    changes.push(...objects, planTenantEnd(row));
  }
  await checkSecretsInUse(planner, file, changes);
  return changes;
}

interface Wanted {
  configuration: TenantConfiguration;
  path: FieldPath;
  secrets: Secrets;
}

async function planOneTenant(
  planner: Planner,
  wanted: Wanted,
  current: TenantObjects | null,
): Promise<PlannedChange[]> {
  const tenant = planTenant(planner, wanted, current?.tenant ?? null);
  if (tenant === null) return [];
  const objects = await planObjects(planner, wanted, current);
  if (current !== null) checkForeignKeys(planner, { wanted, current, objects });
  return [tenant, ...objects];
}

async function planObjects(planner: Planner, wanted: Wanted, current: TenantObjects | null): Promise<PlannedChange[]> {
  const { tx } = planner;
  const { configuration, path, secrets } = wanted;
  const { slug } = configuration;
  const tenant = { slug, path, secrets };
  const approvals = configuration.approvals ?? configurationDefaults.approvals;
  const isNew = current === null;
  const none: ReadonlyMap<string, number> = new Map();
  const policies = { live: current?.policies ?? [], versions: isNew ? none : await tx.readPolicyVersions(slug) };
  const newest = isNew ? new Map<string, LimitRow>() : await tx.readNewestLimits(slug, null);
  const limits = { live: current?.limits ?? [], newest };
  return [
    ...planSubTenants(planner, { slug, path, wanted: configuration.subTenants }, current?.sub_tenants ?? []),
    ...(await planProviders(planner, { ...tenant, wanted: configuration.providers ?? [], current })),
    ...planKeys(planner, { ...tenant, wanted: configuration.keys ?? [] }, current?.keys ?? []),
    ...planPolicies(planner, { slug, path, wanted: configuration.policies ?? [], approvals }, policies),
    ...planLimits(planner, { path, configuration }, limits),
  ];
}

/** Keys that others keep go on working: what they name cannot leave with this file. */
function checkForeignKeys(
  planner: Planner,
  { wanted, current, objects }: { wanted: Wanted; current: TenantObjects; objects: readonly PlannedChange[] },
): void {
  const removed = new Set(
    objects
      .filter((planned) => planned.change === 'removed')
      .map((planned) => `${planned.objectType} ${planned.object}`),
  );
  const isForeign = (key: ApiKeyRow): boolean => key.state !== 'revoked' && key.owner !== planner.owner;
  for (const key of current.keys.filter(isForeign)) {
    const lost = [
      key.provider === null ? null : `provider ${key.provider}`,
      key.sub_tenant === null ? null : `sub_tenant ${key.sub_tenant}`,
    ].filter((name) => name !== null && removed.has(name));
    for (const name of lost) {
      const field = name?.startsWith('provider') ? 'providers' : 'subTenants';
      reportAt(
        planner,
        [...wanted.path, field],
        `${name} cannot go: key ${key.id}, which is not this file's, is bound to it`,
      );
    }
  }
}

/** A secret belongs to one live key of the installation. */
async function checkSecretsInUse(
  planner: Planner,
  file: { configuration: ConfigurationFile; secrets: Secrets },
  changes: readonly PlannedChange[],
): Promise<void> {
  const { tx, context } = planner;
  const places = new Map<string, FieldPath>();
  file.configuration.tenants.forEach((tenant, tenantIndex) => {
    tenant.keys?.forEach((key, index) => {
      const hash = context.hashKey(file.secrets.get(key.secretEnv) ?? '');
      places.set(hash, ['tenants', tenantIndex, 'keys', index, 'secretEnv']);
    });
  });
  const planned = new Set(changes.filter((each) => each.objectType === 'key').map((each) => idBefore(each)));
  for (const row of await tx.readKeysByHash([...places.keys()])) {
    const path = places.get(row.hash);
    if (row.state === 'revoked' || planned.has(row.id) || path === undefined) continue;
    reportAt(
      planner,
      path,
      `Another key (${row.id}) has this secret already; expected a secret of its own for each key`,
    );
  }
}

function idBefore(planned: PlannedChange): string | null {
  const before = planned.before as { id?: string } | null;
  return before?.id ?? null;
}
