import { ClickHouseException } from './exception.ts';
import type { Statement } from './statement.ts';

/** Kinds of work that never wait for each other; how many of each run at once is in `laneWidths`. */
export type LaneName = 'insert' | 'interactive' | 'batch';

/**
 * Engine calls of one lane at a time. A plain query waits behind a heavy one only in its own lane, so a long export
 * (batch) never holds up the console (interactive), nor either of them the shipper (insert).
 */
export const laneWidths: Readonly<Record<LaneName, number>> = { insert: 1, interactive: 2, batch: 1 };

const longestQueue = 256;

/**
 * Which lane runs a query. `priority` is ClickHouse's own setting, where a larger number means less urgent: any value
 * above 0 means batch. So do queries that rewrite or fill tables from queries.
 */
export function pickLane(statement: Statement, settings: ReadonlyMap<string, string>): LaneName {
  if (statement.insert?.source === 'data' || statement.insert?.source === 'open') return 'insert';
  if (statement.insert !== null || statement.verb === 'OPTIMIZE' || Number(settings.get('priority') ?? 0) > 0)
    return 'batch';
  return 'interactive';
}

/** A counting gate in order of arrival. */
export interface Gate {
  /** Resolves with the release function once there is room; throws ClickHouseException 202 when too many wait. */
  enter(signal: AbortSignal): Promise<() => void>;
  waiting(): number;
  running(): number;
}

/** Opens a gate that lets `width` callers in at a time. An aborted caller leaves the queue at once. */
export function createGate(width: number): Gate {
  const queue: (() => void)[] = [];
  let inside = 0;
  const leave = (): void => {
    const next = queue.shift();
    if (next === undefined) inside--;
    else next();
  };
  return {
    waiting: () => queue.length,
    running: () => inside,
    enter(signal) {
      if (signal.aborted) return Promise.reject(new ClickHouseException(210, 'The caller left'));
      if (inside < width) {
        inside++;
        return Promise.resolve(onceOnly(leave));
      }
      if (queue.length >= longestQueue) {
        return Promise.reject(new ClickHouseException(202, `Too many queries wait (${queue.length}); try again later`));
      }
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          queue.splice(queue.indexOf(start), 1);
          reject(new ClickHouseException(210, 'The caller left'));
        };
        const start = (): void => {
          signal.removeEventListener('abort', onAbort);
          resolve(onceOnly(leave));
        };
        signal.addEventListener('abort', onAbort, { once: true });
        queue.push(start);
      });
    },
  };
}

function onceOnly(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
