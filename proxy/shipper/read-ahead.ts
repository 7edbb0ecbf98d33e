import type { Books } from './books.ts';
import { waitFor } from './delivery.ts';
import { deriveFacts } from './derive.ts';
import type { ShipperClock, SpoolPosition, SpoolSource } from './ports.ts';

const lookEveryMs = 250;
/** Shipping that has not seen the end of the spool for this long is held up. */
const heldUpAfterMs = 5000;
const budget = { frames: 5000, bytes: 4 * 1024 * 1024 };

export interface ReadAheadInput {
  books: Books;
  /** A reader of its own: it stands elsewhere than the one that ships. */
  source: SpoolSource;
  /** When shipping had last read all that was there, Unix ms. */
  caughtUpAtMs: () => number;
  overEpoch: () => number;
  clock: ShipperClock;
}

/**
 * Reads the spool ahead of shipping, for the ledger alone, while shipping is held up: a run that has finished is settled
 * whether or not ClickHouse takes its record, or what it had reserved would be held until it expires. Nothing is stored of
 * what it reads but what the ledger makes of it. Runs until `signal` is aborted; rejects where the spool cannot be read.
 */
export async function readAheadForLedger(input: ReadAheadInput & { signal: AbortSignal }): Promise<void> {
  const { signal, clock } = input;
  while (!signal.aborted) {
    const heldUp = clock.nowMs() - input.caughtUpAtMs() > heldUpAfterMs;
    const moved = heldUp && !input.books.ledger.isFull() && (await readOn(input));
    await waitFor(moved ? 0 : lookEveryMs, signal);
  }
}

/** Reads one stretch; false where there is nothing more. */
async function readOn({ books, source, overEpoch }: ReadAheadInput): Promise<boolean> {
  const from = books.ledgerAt ?? (await source.first('seg'));
  if (from === null) return false;
  const epochIsOver = from.epoch <= overEpoch();
  const slice = await source.read({ series: 'seg', from, budget, epochIsOver, keepsCopies: false });
  books.learn(deriveFacts(slice.frames), slice.to);
  if (slice.end !== 'over') return slice.end === 'more' || slice.frames.length > 0;
  const next: SpoolPosition | null = await source.nextEpoch('seg', slice.to.epoch);
  if (next !== null) books.learn([], next);
  return next !== null;
}
