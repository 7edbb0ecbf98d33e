import type { LogPort } from '../operations/ports.ts';
import { schedule } from './index.ts';

/** The part of the queue that makes jobs repeat. */
export interface RepeatPort {
  repeat(job: { name: string; everyMs: number }): Promise<void>;
}

const soonMs = 2_000;
const againMs = 60_000;

/**
 * Keeps the periodic jobs in the queue until the returned function is called: again every minute, since a queue's Redis
 * may lose them, and every two seconds while it does not answer.
 */
export function keepSchedule(queue: RepeatPort, log: LogPort): () => void {
  let timer: NodeJS.Timeout | null = null;
  let ended = false;
  async function put(): Promise<void> {
    let waitMs = againMs;
    try {
      for (const job of schedule) await queue.repeat(job);
    } catch (error) {
      log.warn({ err: error }, 'the periodic jobs could not be scheduled; trying again');
      waitMs = soonMs;
    }
    if (!ended) timer = setTimeout(put, waitMs);
  }
  void put();
  return () => {
    ended = true;
    if (timer !== null) clearTimeout(timer);
  };
}
