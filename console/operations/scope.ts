import type { Principal } from '../../storage/schema/control.ts';
import type { TenantScope } from '../../storage/schema/scope.ts';

/** What a principal may see. Today every principal of `/api/v1` is the platform's own: all tenants. */
export function scopeOf(_principal: Principal): TenantScope {
  return { kind: 'all' };
}

/** The same, narrowed to one tenant where the caller asks for one. */
export function narrowScope(principal: Principal, tenant: string | undefined): TenantScope {
  return tenant === undefined ? scopeOf(principal) : { kind: 'tenant', tenant };
}
