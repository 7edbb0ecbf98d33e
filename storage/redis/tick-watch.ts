export interface TickWatch {
  /** Whether counters under this epoch were found to be older than what this caller had been told of them. */
  isStale(tenant: string, epoch: string): boolean;
  /** Takes the tick of an answer; false where it is not above the last one, and from then on for this epoch. */
  note(tenant: string, epoch: string, tick: number): boolean;
}

interface Seen {
  epoch: string;
  tick: number;
  stale: boolean;
  /** Whether an invalidation is under way or done. */
  told: boolean;
}

/**
 * Finds a Redis that has lost writes it had answered: a replica that lagged when it was promoted, or a file that ended early.
 *
 * Redis counts this caller's calls among the tenant's own keys, and answers of one connection come in the order of the
 * calls, late ones too; so a count that does not grow means that calls of ours are gone with what they reserved. A process
 * that remembers nothing starts from what it is told. The epoch is invalidated then, for everybody; until another one is
 * in force the tenant stays stale here. An invalidation that fails is tried again with the next call. Never throws.
 */
export function createTickWatch(invalidate: (tenant: string, epoch: string) => Promise<unknown>): TickWatch {
  const tenants = new Map<string, Seen>();

  const raise = (tenant: string, seen: Seen) => {
    if (seen.told) return;
    seen.told = true;
    invalidate(tenant, seen.epoch).catch(() => {
      // Redis is away: the tenant stays refused here, and the next call tries again.
      seen.told = false;
    });
  };
  return {
    isStale(tenant, epoch) {
      const seen = tenants.get(tenant);
      if (seen === undefined || seen.epoch !== epoch || !seen.stale) return false;
      raise(tenant, seen);
      return true;
    },
    note(tenant, epoch, tick) {
      const seen = tenants.get(tenant);
      if (seen === undefined || seen.epoch !== epoch) {
        tenants.set(tenant, { epoch, tick, stale: false, told: false });
        return true;
      }
      if (tick <= seen.tick && !seen.stale) {
        seen.stale = true;
        raise(tenant, seen);
      }
      seen.tick = Math.max(seen.tick, tick);
      return !seen.stale;
    },
  };
}
