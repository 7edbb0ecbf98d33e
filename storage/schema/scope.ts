/** Which tenants' rows a read may see. Every read of recorded data takes one; only operations make them. */
export type TenantScope = { kind: 'all' } | { kind: 'tenant'; tenant: string };
