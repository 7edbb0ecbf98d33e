import type { ControlContext } from '../operations/context.ts';
import { applyRetention } from '../operations/retention/apply.ts';
import { advanceRollups, compareRollups, showRollupsAge } from '../operations/rollups/advance.ts';
import { keepLeased } from './leased-loop.ts';

const paces = { everyMs: 5_000, leaseMs: 15_000 };
const budgetMs = 20_000;
const comparedEveryMs = 3_600_000;
const retainedEveryMs = 60_000;

/**
 * Looks after what ClickHouse holds until the returned function is called: rollups every five seconds, retention every
 * minute, and once an hour a comparison of runs and rollups. The lease only spares two controls the same work; without it
 * the results are the same.
 */
export function keepRollups(context: ControlContext, { everyMs, leaseMs } = paces): () => Promise<void> {
  const due = { compare: 0, retention: 0 };

  async function work(): Promise<void> {
    await advanceRollups(context, budgetMs);
    const nowMs = context.now();
    if (nowMs >= due.retention) {
      await applyRetention(context);
      due.retention = nowMs + retainedEveryMs;
    }
    if (nowMs >= due.compare) {
      await compareRollups(context);
      due.compare = nowMs + comparedEveryMs;
    }
  }

  return keepLeased(context, {
    everyMs,
    leaseMs,
    lease: 'rollups',
    work,
    rest: () => showRollupsAge(context),
    failed: 'rollups could not be brought up to date',
  });
}
