import type { CallerAnswer } from './call.ts';
import type { ClockPort } from './ports.ts';
import { answerRefusal, beginStanding, endRefused, recordRefusal } from './refused.ts';
import { mayBeHeld, type Refusal, type Run } from './run.ts';

/** Refusals of one key in one second that are still recorded one by one. */
const recordedPerSecond = 50;

interface Flood {
  second: number;
  seen: number;
  /** The first refusal beyond the threshold, which stands for all after it in this second. */
  standing: { run: Run; refusal: Refusal; count: number } | null;
}

export interface RefusalCollapse {
  /** Answers and records a refusal, or counts it to the record that stands for this second. */
  end(run: Run, refusal: Refusal, caller: CallerAnswer): void;
  /** Records what still stands. Called each second and before the process ends. */
  flush(force: boolean): void;
}

/**
 * Keeps a flood of refusals of one key from becoming a flood of records: beyond 50 in a second, one counted record a
 * second and reason stands for the rest, and every answer carries that record's run id, so that a pasted id opens a run:
 * it is on record from the first of them, with their number from the last. What the counters may hold stays a record of its
 * own, which says that it comes to nothing.
 */
export function createRefusalCollapse(clock: ClockPort): RefusalCollapse {
  const floods = new Map<string, Flood>();

  function record(flood: Flood): void {
    if (flood.standing === null) return;
    recordRefusal(flood.standing.run, flood.standing.refusal, flood.standing.count);
    flood.standing = null;
  }

  return {
    end(run, refusal, caller) {
      const second = Math.floor(clock.nowMs() / 1000);
      const name = `${run.suspect?.tenant.tenant ?? ''}|${run.suspect?.key.id ?? ''}|${refusal.code}|${refusal.owner ?? ''}`;
      const flood = floods.get(name) ?? { second, seen: 0, standing: null };
      if (flood.second !== second) {
        record(flood);
        flood.second = second;
        flood.seen = 0;
      }
      floods.set(name, flood);
      flood.seen += 1;
      if (flood.seen <= recordedPerSecond || mayBeHeld(run)) return endRefused(run, refusal, caller);
      if (flood.standing === null) {
        beginStanding(run, refusal);
        flood.standing = { run, refusal, count: 0 };
      }
      flood.standing.count += 1;
      answerRefusal(run, { runId: flood.standing.run.id, refusal }, caller);
    },
    flush(force) {
      const second = Math.floor(clock.nowMs() / 1000);
      for (const [name, flood] of floods) {
        if (!force && flood.second === second) continue;
        record(flood);
        floods.delete(name);
      }
    },
  };
}
