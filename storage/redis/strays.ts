const maxStrays = 10_000;

export interface Strays {
  size(): number;
  keep(tenant: string, runIds: readonly string[]): void;
  /** Hands over all that wait, by tenant, and forgets them. */
  takeAll(): Map<string, string[]>;
}

/**
 * Runs whose reservation stands, or may stand, in Redis although their caller was told otherwise; they wait to be settled
 * at nothing. Bounded at 10,000: what is past the bound is left to expiry. Never throws.
 */
export function createStrays(): Strays {
  let byTenant = new Map<string, string[]>();
  let size = 0;
  return {
    size: () => size,
    keep(tenant, runIds) {
      const kept = runIds.slice(0, maxStrays - size);
      if (kept.length === 0) return;
      size += kept.length;
      const known = byTenant.get(tenant);
      if (known === undefined) byTenant.set(tenant, kept);
      else known.push(...kept);
    },
    takeAll() {
      const taken = byTenant;
      byTenant = new Map();
      size = 0;
      return taken;
    },
  };
}
