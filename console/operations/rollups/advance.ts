import type { ControlContext } from '../context.ts';

const batchesAtOnce = 200;
const hourMs = 3_600_000;
/** How far back stored runs and rollups are compared: longer than a shipper is likely to be gone. */
const comparedMs = 72 * hourMs;

/**
 * Brings the rollups up to what is stored: recomputes every minute, and its day, that a batch has touched since, and only
 * then marks the batch. A control that dies in between leaves it to the next; two at once compute the same. Stops after
 * `budgetMs` with what is left for the next call, and shows how old the rollups are. Rejects where ClickHouse is away.
 */
export async function advanceRollups(context: ControlContext, budgetMs: number): Promise<void> {
  const { rollups, now } = context;
  const endMs = now() + budgetMs;
  for (;;) {
    const touches = await rollups.touches(batchesAtOnce);
    if (touches.length > 0) {
      const minutes = [...new Set(touches.flatMap((touch) => touch.minutes))];
      await rollups.computeMinutes(minutes);
      await rollups.computeDays(minutes);
      await rollups.mark(touches);
    }
    if (touches.length < batchesAtOnce || now() >= endMs) break;
  }
  await showRollupsAge(context);
}

/** Shows how old the rollups are. Rejects where ClickHouse is away: then the age shown goes on growing. */
export async function showRollupsAge(context: ControlContext): Promise<void> {
  const { freshAtMs, nowMs } = await context.rollups.freshness();
  // The engine's clock gives the age; this process' clock lets it grow while the engine does not answer.
  context.metrics.rollupsFresh(context.now() - (nowMs - freshAtMs));
}

/**
 * Compares the last 72 hours of stored runs with their rollups, and has what is missing computed. Nothing should be: a
 * finding means that a batch was stored by a shipper that never came back to say so, and is logged.
 */
export async function compareRollups(context: ControlContext): Promise<void> {
  const nowMs = context.now();
  const minutes = await context.rollups.touchUncovered({ fromMs: nowMs - comparedMs, toMs: nowMs + hourMs });
  if (minutes > 0) context.log.warn({ minutes }, 'rollups covered fewer runs than are stored; they are computed anew');
}
