import type { DrainReport } from './admin.ts';
import { type Books, isAtOrPast } from './books.ts';
import { waitFor } from './delivery.ts';
import type { ShipperClock, SpoolPosition, SpoolSource } from './ports.ts';

const measureEveryMs = 1000;
const drainLookEveryMs = 50;
const restoreEveryRounds = 10;

interface Positions {
  seg: SpoolPosition | null;
  big: SpoolPosition | null;
}

/** How far ClickHouse is behind the spool. */
export interface DepthGauge {
  /** Bytes not acknowledged, as of the last second. */
  bytes(): number;
  /** Measures every second until `signal` is aborted, and now and then does `alsoDo`. */
  run(signal: AbortSignal, alsoDo: () => Promise<void>): Promise<void>;
  /** Asks for a flush and reports whether all that is in the spool now is acknowledged, waiting for it up to `waitMs`. */
  drain(waitMs: number, shipper: { flush: () => void; sealsPending: () => number }): Promise<DrainReport>;
}

/** Measures by file sizes; nothing is read. */
export function createDepthGauge(input: { source: SpoolSource; books: Books; clock: ShipperClock }): DepthGauge {
  const { source, books, clock } = input;
  let lastBytes = 0;
  const measure = async () => {
    const [seg, big] = await Promise.all([
      source.backlog('seg', books.state.seg),
      source.backlog('big', books.state.big),
    ]);
    lastBytes = seg.bytes + big.bytes;
    return { bytes: lastBytes, end: { seg: seg.end, big: big.end } };
  };
  return {
    bytes: () => lastBytes,
    async run(signal, alsoDo) {
      for (let round = 1; !signal.aborted; round += 1) {
        await measure();
        if (round % restoreEveryRounds === 0) await alsoDo();
        await waitFor(measureEveryMs, signal);
      }
    },
    async drain(waitMs, shipper) {
      const untilMs = clock.nowMs() + waitMs;
      const { end } = await measure();
      for (;;) {
        shipper.flush();
        const { bytes } = await measure();
        const drained = bytes === 0 || hasReached(books.state, end);
        if (drained || clock.nowMs() >= untilMs) {
          return {
            drained,
            bytes_behind: bytes,
            seals_pending: shipper.sealsPending(),
            open_runs: books.ledger.openCount,
            unsettled_runs: books.ledger.unsettledCount,
          };
        }
        await waitFor(drainLookEveryMs, new AbortController().signal);
      }
    },
  };
}

/** Whether everything before `target` is acknowledged. A target of null is an empty series. */
function hasReached(acknowledged: Positions, target: Positions): boolean {
  return reaches(acknowledged.seg, target.seg) && reaches(acknowledged.big, target.big);
}

function reaches(position: SpoolPosition | null, target: SpoolPosition | null): boolean {
  if (target === null) return true;
  return position !== null && isAtOrPast(position, target);
}
