import { HocError } from '../../../storage/schema/errors.ts';
import type { ControlContext } from '../context.ts';
import type { RetainedTable, RetentionDays } from './ports.ts';

/** Days that rows are kept where nothing else is set: a year and a month of runs, a month of what was said in them. */
export const defaultRetention: RetentionDays = {
  runs: 400,
  records: 400,
  payloads: 30,
  rollup_minutes: 100,
  rollup_days: 0,
  system: 7,
};

const mostDays = 36_500;

/**
 * Reads the retention out of settings (`read('RUNS')` gives the text of HOC_RETENTION_DAYS_RUNS, or null). Throws HocError
 * `configuration_invalid` for anything but whole days.
 */
export function readRetention(read: (name: string) => string | null): RetentionDays {
  const days = { ...defaultRetention };
  for (const name of Object.keys(defaultRetention) as (keyof RetentionDays)[]) {
    const text = read(name.toUpperCase());
    if (text === null) continue;
    const least = name === 'system' ? 1 : 0;
    const value = /^\d{1,5}$/.test(text) ? Number(text) : -1;
    if (value < least || value > mostDays) {
      const publicMessage = `HOC_RETENTION_DAYS_${name.toUpperCase()} must be whole days, ${least} to ${mostDays}${least === 0 ? ' (0 keeps for ever)' : ''}`;
      throw new HocError({ code: 'configuration_invalid', publicMessage });
    }
    days[name] = value;
  }
  return days;
}

/**
 * Puts the configured retention in force, one small step a call: tables learn their days at once, partitions from before
 * a change follow one by one, so that a change never makes the engine work on everything. A ClickHouse whose user may not
 * change its system tables is said in the log and does not hold up ours. Rejects where ClickHouse is away.
 */
export async function applyRetention(context: ControlContext): Promise<void> {
  const { retention, log } = context;
  const { system, ...tables } = retention.days;
  for (const [table, days] of Object.entries(tables) as [RetainedTable, number][]) {
    if (await retention.set(table, days)) log.info({ table, days }, 'the retention of a table was set');
    const partition = await retention.renew(table, days);
    if (partition !== null) log.info({ table, partition, days }, 'a partition follows its retention');
  }
  try {
    const changed = await retention.setSystem(system);
    if (changed.length > 0) log.info({ tables: changed, days: system }, "ClickHouse's own log tables have a retention");
  } catch (error) {
    log.warn(
      { err: error },
      "the retention of ClickHouse's own log tables could not be set: bound them in its configuration",
    );
  }
}
