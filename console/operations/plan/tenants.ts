import { canonicalJson } from '../../../policy/evidence/index.ts';
import type { SubTenantStateRow, TenantRow, TenantState } from '../../../storage/schema/control.ts';
import { configurationDefaults, type TenantConfiguration } from '../../contract/configuration.ts';
import { readLimitDefaults } from '../configuration/limit-entries.ts';
import type { FieldPath } from '../configuration/source.ts';
import { readTenantSettings } from '../configuration/tenant-settings.ts';
import { nothing, type PlannedChange } from './change-list.ts';
import { mayChange, type Planner } from './places.ts';

const epochBytes = 16;

type TenantColumns = Pick<TenantRow, 'owner' | 'state' | 'capture' | 'approvals' | 'limit_defaults' | 'settings'>;

function showTenant(slug: string, row: TenantColumns): unknown {
  const { owner, state, capture, approvals, limit_defaults, settings } = row;
  const parsed = { limit_defaults: JSON.parse(limit_defaults), settings: JSON.parse(settings) };
  return { slug, owner, state, capture, approvals, ...parsed };
}

function readColumns(planner: Planner, tenant: TenantConfiguration, state: TenantState): TenantColumns {
  return {
    owner: planner.owner,
    state,
    capture: tenant.capture ?? configurationDefaults.capture,
    approvals: tenant.approvals ?? configurationDefaults.approvals,
    limit_defaults: canonicalJson(readLimitDefaults(tenant)),
    settings: canonicalJson(readTenantSettings(tenant)),
  };
}

/** Plans a tenant of the file: new, changed, back after it was terminated, or as it is. Null where another owner keeps it. */
export function planTenant(
  planner: Planner,
  wanted: { configuration: TenantConfiguration; path: FieldPath },
  current: TenantRow | null,
): PlannedChange | null {
  const { context } = planner;
  const { slug } = wanted.configuration;
  const isBack = current?.state === 'terminated';
  if (
    current !== null &&
    !isBack &&
    !mayChange(planner, [...wanted.path, 'slug'], { owner: current.owner, what: `Tenant \`${slug}\`` })
  ) {
    return null;
  }
  const set = readColumns(planner, wanted.configuration, current === null || isBack ? 'active' : current.state);
  const head = { objectType: 'tenant', tenant: slug, object: slug, objectId: slug, note: null } as const;
  const after = showTenant(slug, set);
  if (current === null) {
    const row: TenantRow = {
      ...set,
      slug,
      counter_epoch: context.randomHex(epochBytes),
      counters_written: false,
      policy_sha256: null,
      keys_sha256: null,
      created_at_ms: context.now(),
    };
    const write: PlannedChange['write'] = async (tx) => {
      await tx.insertTenant(row);
      return [];
    };
    return { ...head, change: 'created', act: 'tenant.create', before: null, after, write };
  }
  const before = showTenant(slug, current);
  if (canonicalJson(before) === canonicalJson(after)) {
    return { ...head, change: 'unchanged', act: 'tenant.update', before, after, write: nothing };
  }
  const write: PlannedChange['write'] = async (tx) => {
    await tx.updateTenant(slug, set);
    return [];
  };
  return { ...head, change: 'updated', act: isBack ? 'tenant.restore' : 'tenant.update', before, after, write };
}

/** Plans the end of a tenant that left the file: out of the snapshot, its logs and past kept. */
export function planTenantEnd(current: TenantRow): PlannedChange {
  const { slug } = current;
  return {
    change: 'removed',
    objectType: 'tenant',
    tenant: slug,
    object: slug,
    objectId: slug,
    act: 'tenant.terminate',
    before: showTenant(slug, current),
    after: showTenant(slug, { ...current, state: 'terminated' }),
    note: 'terminated: its keys stop working at once; runs and logs are kept',
    write: async (tx) => {
      await tx.updateTenant(slug, { state: 'terminated' });
      return [];
    },
  };
}

/** Plans the sub-tenants of one tenant. */
export function planSubTenants(
  planner: Planner,
  tenant: { slug: string; path: FieldPath; wanted: TenantConfiguration['subTenants'] },
  current: readonly SubTenantStateRow[],
): PlannedChange[] {
  const standing = new Map(current.map((row) => [row.slug, row]));
  const changes: PlannedChange[] = [];
  tenant.wanted?.forEach((entry, index) => {
    const before = standing.get(entry.slug) ?? null;
    standing.delete(entry.slug);
    const path = [...tenant.path, 'subTenants', index, 'slug'];
    if (before !== null && !mayChange(planner, path, { owner: before.owner, what: `Sub-tenant \`${entry.slug}\`` }))
      return;
    const after: SubTenantStateRow = {
      tenant: tenant.slug,
      slug: entry.slug,
      parent: entry.parent ?? null,
      owner: planner.owner,
    };
    const isSame = before !== null && before.parent === after.parent && before.owner === after.owner;
    const kind = before === null ? 'created' : isSame ? 'unchanged' : 'updated';
    changes.push({
      change: kind,
      objectType: 'sub_tenant',
      tenant: tenant.slug,
      object: entry.slug,
      objectId: entry.slug,
      act: before === null ? 'sub_tenant.create' : 'sub_tenant.update',
      before,
      after,
      note: null,
      write: isSame
        ? nothing
        : async (tx) => {
            await tx.saveSubTenant(after);
            return [];
          },
    });
  });
  const gone = [...standing.values()].filter((row) => row.owner === planner.owner);
  return [...changes, ...gone.map(planSubTenantEnd)];
}

function planSubTenantEnd(row: SubTenantStateRow): PlannedChange {
  return {
    change: 'removed',
    objectType: 'sub_tenant',
    tenant: row.tenant,
    object: row.slug,
    objectId: row.slug,
    act: 'sub_tenant.remove',
    before: row,
    after: null,
    note: null,
    write: async (tx) => {
      await tx.deleteSubTenant(row.tenant, row.slug);
      return [];
    },
  };
}
