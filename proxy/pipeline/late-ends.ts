import { HocError } from '../../storage/schema/errors.ts';

const retryEveryMs = 250;

/** Ends of runs that could not be put on record, because the spool took nothing then. */
export interface LateEnds {
  /**
   * Takes a run's end, to be recorded once that works: `record` throws HocError `spool_full` as long as it does not. They
   * are called in the order of the ends. Where the process dies before, the run is recovered like any other that was under way.
   */
  add(record: () => void): void;
  /** Tries now what waits; what then still cannot be recorded is left to recovery. */
  close(): void;
}

/**
 * Keeps late ends in memory, tried four times a second: at most as many as runs were under way when the spool was full. One
 * that fails for another reason is told to `onFailure` and not tried again.
 */
export function createLateEnds(onFailure: (error: unknown) => void): LateEnds {
  const waiting: (() => void)[] = [];
  let timer: NodeJS.Timeout | null = null;

  function retry(): void {
    timer = null;
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      try {
        next();
      } catch (error) {
        // A full spool was told when the run ended; until it takes records again there is nothing more to say.
        if (error instanceof HocError && error.code === 'spool_full') {
          timer = setTimeout(retry, retryEveryMs);
          return;
        }
        onFailure(error);
      }
      waiting.shift();
    }
  }

  return {
    add(record) {
      waiting.push(record);
      timer ??= setTimeout(retry, retryEveryMs);
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      retry();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
