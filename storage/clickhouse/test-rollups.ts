import type { ClickHouse } from './connection.ts';
import { computeRollupDays, computeRollupMinutes, markRunTouches, type RunTouch, readRunTouches } from './rollup.ts';
import { openTestEngine } from './test-rows.ts';

export const dayMs = 86_400_000;
/** The start of a day, Unix ms. */
export const baseMs = 1_790_000_000_000 - (1_790_000_000_000 % dayMs) + dayMs;
export const allTenants = { kind: 'all' } as const;

/** A real engine, with what control does to its rollups. */
export interface RollupEngine {
  ch: ClickHouse;
  command(query: string): Promise<void>;
  /** Brings the minutes of these batches, and their days, up to what is stored. */
  compute(touches: readonly RunTouch[]): Promise<void>;
  /** One pass of the job over all that waits. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

/** Starts an engine with empty rollups; `close` stops and removes it. For tests. */
export async function openRollupEngine(): Promise<RollupEngine> {
  const { ch, close } = await openTestEngine();
  const compute = async (touches: readonly RunTouch[]): Promise<void> => {
    const minutes = touches.flatMap((touch) => touch.minutes);
    await computeRollupMinutes(ch, minutes);
    await computeRollupDays(ch, minutes);
  };
  return {
    ch,
    command: async (query) => void (await ch.client.command({ query })),
    compute,
    async pass() {
      const touches = await readRunTouches(ch, 1000);
      await compute(touches);
      await markRunTouches(ch, touches);
    },
    close,
  };
}
