import type { CompiledSnapshot } from './snapshot.ts';
import type { LogPort } from './trouble-log.ts';

const outcomes = {
  refuse: 'are refused',
  allow: 'pass, and are counted afterwards',
  local: 'keep to this proxy’s share for a minute',
} as const;

/**
 * Says that Redis was given up for limits, or answers again: one line at each change, with the engine and what runs meet
 * from then on by the limits in force. `address` holds no secret.
 */
export function createCountersAwayLog(input: {
  log: LogPort;
  nowMs: () => number;
  address: string;
  snapshot: () => CompiledSnapshot | null;
}): (isAway: boolean) => void {
  const { log, nowMs, address, snapshot } = input;
  const engine = { engine: 'redis', address };
  let sinceMs = 0;
  return (isAway) => {
    if (!isAway) return log.info({ ...engine, away_ms: nowMs() - sinceMs }, 'Redis answers again: limits count there');
    sinceMs = nowMs();
    log.warn(engine, `Redis does not answer for limits, and is not asked until it does: ${describeRuns(snapshot())}`);
  };
}

function describeRuns(snapshot: CompiledSnapshot | null): string {
  const counted = [...(snapshot?.tenants.values() ?? [])].flatMap(({ limits }) =>
    limits.filter(({ kind }) => kind !== 'cap'),
  );
  const modes = (['refuse', 'allow', 'local'] as const).flatMap((mode) => {
    const count = counted.filter(({ redisDown }) => redisDown === mode).length;
    return count === 0 ? [] : [`runs under ${count} ${count === 1 ? 'limit' : 'limits'} ${outcomes[mode]}`];
  });
  return modes.length === 0 ? 'no limit in force needs it' : modes.join('; ');
}
