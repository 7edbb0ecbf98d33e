import type { ProviderRow, SubTenantStateRow, TenantObjects, TenantRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

/** The tenant of that slug in any state, or null. */
export async function readTenant(db: Executor, slug: string): Promise<TenantRow | null> {
  return (await db.selectFrom('tenants').selectAll().where('slug', '=', slug).executeTakeFirst()) ?? null;
}

/** Every tenant in any state, sorted by slug. */
export async function readTenants(db: Executor): Promise<TenantRow[]> {
  return db.selectFrom('tenants').selectAll().orderBy('slug').execute();
}

/** Adds a tenant; fails with a conflict where the slug exists. */
export async function insertTenant(db: Executor, row: TenantRow): Promise<void> {
  await db.insertInto('tenants').values(row).execute();
}

/** Changes columns of a tenant; the slug is its identity and never changes. */
export async function updateTenant(db: Executor, slug: string, set: Partial<Omit<TenantRow, 'slug'>>): Promise<void> {
  await db.updateTable('tenants').set(set).where('slug', '=', slug).execute();
}

/** Adds a sub-tenant, or replaces its parent and owner. */
export async function saveSubTenant(db: Executor, row: SubTenantStateRow): Promise<void> {
  await db
    .insertInto('sub_tenants')
    .values(row)
    .onConflict((clash) => clash.columns(['tenant', 'slug']).doUpdateSet({ parent: row.parent, owner: row.owner }))
    .execute();
}

/** Removes a sub-tenant; its past lives on in the audit log. */
export async function deleteSubTenant(db: Executor, tenant: string, slug: string): Promise<void> {
  await db.deleteFrom('sub_tenants').where('tenant', '=', tenant).where('slug', '=', slug).execute();
}

/** Adds a provider, or replaces its definition and owner. */
export async function saveProvider(db: Executor, row: ProviderRow): Promise<void> {
  const set = { definition: row.definition, owner: row.owner };
  await db
    .insertInto('providers')
    .values(row)
    .onConflict((clash) => clash.columns(['tenant', 'slug']).doUpdateSet(set))
    .execute();
}

/** Removes a provider; its past lives on in the audit log. */
export async function deleteProvider(db: Executor, tenant: string, slug: string): Promise<void> {
  await db.deleteFrom('providers').where('tenant', '=', tenant).where('slug', '=', slug).execute();
}

/**
 * The live state of the named tenants, sorted by slug: keys that are live or listed, versions that are not retired,
 * credentials that still have an envelope. Unknown slugs are left out. One statement a table, however many tenants.
 */
export async function readTenantObjects(db: Executor, slugs: readonly string[]): Promise<TenantObjects[]> {
  if (slugs.length === 0) return [];
  const tenants = await db.selectFrom('tenants').selectAll().where('slug', 'in', slugs).orderBy('slug').execute();
  const rows = await readRowsOf(db, slugs);
  return tenants.map((tenant) => ({
    tenant,
    sub_tenants: rows.subTenants.get(tenant.slug) ?? [],
    providers: rows.providers.get(tenant.slug) ?? [],
    credentials: rows.credentials.get(tenant.slug) ?? [],
    keys: rows.keys.get(tenant.slug) ?? [],
    policies: rows.policies.get(tenant.slug) ?? [],
    limits: rows.limits.get(tenant.slug) ?? [],
  }));
}

async function readRowsOf(db: Executor, slugs: readonly string[]) {
  const subTenants = db.selectFrom('sub_tenants').selectAll().where('tenant', 'in', slugs).orderBy('slug');
  const providers = db.selectFrom('providers').selectAll().where('tenant', 'in', slugs).orderBy('slug');
  const credentials = db
    .selectFrom('credentials')
    .selectAll()
    .where('tenant', 'in', slugs)
    .orderBy('id')
    .orderBy('version');
  const keys = db.selectFrom('api_keys').selectAll().where('tenant', 'in', slugs).orderBy('id');
  const policies = db.selectFrom('policies').selectAll().where('tenant', 'in', slugs).orderBy('id').orderBy('version');
  const limits = db.selectFrom('limits').selectAll().where('tenant', 'in', slugs).orderBy('id');
  return {
    subTenants: group(await subTenants.execute()),
    providers: group(await providers.execute()),
    credentials: group(await credentials.where('envelope', 'is not', null).execute()),
    keys: group(await keys.where('listed', '=', true).execute()),
    policies: group(await policies.where('state', '<>', 'retired').execute()),
    limits: group(await limits.where('state', '=', 'active').execute()),
  };
}

function group<Row extends { tenant: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const list = groups.get(row.tenant);
    if (list === undefined) groups.set(row.tenant, [row]);
    else list.push(row);
  }
  return groups;
}
