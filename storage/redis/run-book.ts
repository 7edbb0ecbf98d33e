/** Most runs that are remembered; far more than a proxy has open. The oldest is forgotten first. */
const maxRuns = 50_000;

export interface RunBook {
  /** A reservation is asked for; `answered` follows, always. */
  asked(tenant: string, runId: string): void;
  answered(tenant: string, runId: string, granted: boolean): void;
  /** A settlement is known to be done. */
  settled(tenant: string, runId: string): void;
  /** `held`: its caller was told of a grant, so it will settle it. `asked`: what becomes of it is not known yet. */
  find(tenant: string, runId: string): 'held' | 'asked' | 'unknown';
}

/**
 * The runs that callers of this process hold, or are asking for.
 *
 * A top-up or a renewal that is answered too late must not be settled at nothing like a first grant would be: its run is
 * going on and will settle itself. Never throws.
 */
export function createRunBook(): RunBook {
  const held = new Set<string>();
  const open = new Map<string, number>();
  const name = (tenant: string, runId: string) => `${tenant.length}:${tenant}${runId}`;
  return {
    asked(tenant, runId) {
      const run = name(tenant, runId);
      open.set(run, (open.get(run) ?? 0) + 1);
    },
    answered(tenant, runId, granted) {
      const run = name(tenant, runId);
      const left = (open.get(run) ?? 1) - 1;
      if (left > 0) open.set(run, left);
      else open.delete(run);
      if (!granted) return;
      held.add(run);
      if (held.size <= maxRuns) return;
      const [oldest] = held;
      if (oldest !== undefined) held.delete(oldest);
    },
    settled(tenant, runId) {
      held.delete(name(tenant, runId));
    },
    find(tenant, runId) {
      const run = name(tenant, runId);
      if (held.has(run)) return 'held';
      return open.has(run) ? 'asked' : 'unknown';
    },
  };
}
