/** What a tenant's documents say beside its objects. Row shapes: storage/schema/control.ts. */
export const tenantSettings: readonly string[] = [`alter table tenants add column settings text not null default '{}'`];
