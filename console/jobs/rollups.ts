import type { ControlContext } from '../operations/context.ts';
import { applyRetention } from '../operations/retention/apply.ts';
import { advanceRollups, compareRollups, showRollupsAge } from '../operations/rollups/advance.ts';

const paces = { everyMs: 5_000, leaseMs: 15_000 };
const budgetMs = 20_000;
const holderBytes = 8;
const comparedEveryMs = 3_600_000;
const retainedEveryMs = 60_000;

/**
 * Looks after what ClickHouse holds until the returned function is called: rollups every five seconds, retention every
 * minute, and once an hour a comparison of runs and rollups.
 *
 * It stands on a timer and not on the queue: a backlog of days would hold up the queue's short jobs. The lease only
 * spares two controls the same work; without it the results are the same. What fails is said once and tried again;
 * ending waits for the look that is under way.
 */
export function keepRollups(context: ControlContext, { everyMs, leaseMs } = paces): () => Promise<void> {
  const holder = context.randomHex(holderBytes);
  const lease = { name: 'rollups', holder, ttlMs: leaseMs };
  const due = { compare: 0, retention: 0 };
  let ended = false;
  let trouble: string | null = null;
  let timer: NodeJS.Timeout | null = null;

  async function work(): Promise<void> {
    if (!(await context.store.transaction((tx) => tx.takeLease(lease)))) return showRollupsAge(context);
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

  async function look(): Promise<void> {
    try {
      await work();
      trouble = null;
    } catch (error) {
      const text = error instanceof Error ? error.message : 'unknown';
      if (text !== trouble) context.log.warn({ err: error }, 'rollups could not be brought up to date; trying again');
      trouble = text;
    }
    if (!ended) timer = setTimeout(run, everyMs);
  }

  let running = Promise.resolve();
  const run = (): void => {
    running = look();
  };
  run();
  return async () => {
    ended = true;
    if (timer !== null) clearTimeout(timer);
    await running;
  };
}
