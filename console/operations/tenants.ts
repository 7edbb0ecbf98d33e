import type { TenantSummary } from '../contract/api.ts';
import type { ControlContext } from './context.ts';

/** Tenants in any state, by slug. */
export async function listTenants(context: ControlContext): Promise<TenantSummary[]> {
  const rows = await context.store.transaction((tx) => tx.readTenants());
  return rows.map(({ slug, state, capture, approvals, owner, created_at_ms }) => ({
    slug,
    state,
    capture,
    approvals,
    owner,
    created_at_ms,
  }));
}
