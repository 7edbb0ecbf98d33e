import { deriveFacts } from './derive.ts';
import { type RunFact, RunLedger } from './ledger.ts';
import type { SpoolPosition, SpoolSource, StateStore } from './ports.ts';
import { parseState, type ShipperState } from './state.ts';

const rereadBudget = { frames: 5000, bytes: 4 * 1024 * 1024 };

interface Checkpoint {
  v: 1;
  position: SpoolPosition;
  ledger: string;
}

/**
 * What the shipper knows, and how it survives a crash. The state is small and saved with every batch. The ledger can be
 * large, so it is saved only before segments are unlinked, and brought up to date from the segments that are left. It may
 * be ahead of what is acknowledged, since settlements do not wait for ClickHouse.
 */
export class Books {
  readonly ledger = new RunLedger();
  state: ShipperState;
  #ledgerAt: SpoolPosition | null = null;
  readonly #stateStore: StateStore;
  readonly #checkpointStore: StateStore;
  readonly #source: SpoolSource;
  #unsaved = false;
  #releasedSegments = '';

  /** Opens the books. Rejects with SyntaxError where a file holds what nobody here wrote. */
  static async open(input: { state: StateStore; checkpoint: StateStore; source: SpoolSource }): Promise<Books> {
    const books = new Books(input, parseState(await input.state.load()));
    const saved = await input.checkpoint.load();
    const checkpoint = saved === null ? null : (JSON.parse(saved) as Checkpoint);
    if (checkpoint !== null) books.ledger.restore(checkpoint.ledger);
    const until = books.state.seg;
    const from = checkpoint?.position ?? (await input.source.first('seg'));
    if (until !== null && from !== null) await books.#catchUp(from, until);
    books.#ledgerAt = latest(checkpoint?.position ?? null, until);
    return books;
  }

  private constructor(input: { state: StateStore; checkpoint: StateStore; source: SpoolSource }, state: ShipperState) {
    this.state = state;
    this.#stateStore = input.state;
    this.#checkpointStore = input.checkpoint;
    this.#source = input.source;
  }

  /** Up to where the ledger knows the records: never before what is acknowledged; null before the first. */
  get ledgerAt(): SpoolPosition | null {
    return this.#ledgerAt;
  }

  /** Whether the ledger is ahead of what is acknowledged. */
  knowsMore(): boolean {
    const { seg } = this.state;
    return this.#ledgerAt !== null && (seg === null || !isAtOrPast(seg, this.#ledgerAt));
  }

  /** Changes the state in memory; `save` makes it durable. */
  change(changes: Partial<ShipperState>): void {
    this.state = { ...this.state, ...changes };
    this.#ledgerAt = latest(this.#ledgerAt, this.state.seg);
    this.#unsaved = true;
  }

  /** Takes in what the records up to `to` mean. They begin at or before `ledgerAt`; what is known already changes nothing. */
  learn(facts: readonly RunFact[], to: SpoolPosition): void {
    for (const fact of facts) this.ledger.apply(fact);
    this.#ledgerAt = latest(this.#ledgerAt, to);
  }

  /** Makes the state durable if it changed since the last time. */
  async save(): Promise<void> {
    if (!this.#unsaved) return;
    await this.#stateStore.save(JSON.stringify(this.state));
    this.#unsaved = false;
  }

  /** Saves the ledger with the place that it knows, then the state. */
  async saveAll(): Promise<void> {
    const position = this.#ledgerAt;
    if (position !== null) {
      const checkpoint: Checkpoint = { v: 1, position, ledger: this.ledger.snapshot() };
      await this.#checkpointStore.save(JSON.stringify(checkpoint));
    }
    await this.save();
  }

  /** Unlinks segments that are acknowledged whole, once that is on record. Does nothing while none has been left. */
  async release(): Promise<void> {
    const { seg, big } = this.state;
    const segments = JSON.stringify([seg?.epoch, seg?.segment, big?.epoch, big?.segment]);
    if (segments === this.#releasedSegments) return;
    await this.saveAll();
    if (seg !== null) await this.#source.release('seg', seg);
    if (big !== null) await this.#source.release('big', big);
    this.#releasedSegments = segments;
  }

  async #catchUp(start: SpoolPosition, until: SpoolPosition): Promise<void> {
    for (let from: SpoolPosition | null = start; from !== null; ) {
      const slice = await this.#source.read({
        series: 'seg',
        from,
        until,
        budget: rereadBudget,
        epochIsOver: from.epoch < until.epoch,
        keepsCopies: false,
      });
      for (const fact of deriveFacts(slice.frames)) this.ledger.apply(fact);
      if (slice.end === 'waiting' || isAtOrPast(slice.to, until)) return;
      from = slice.end === 'more' ? slice.to : await this.#source.nextEpoch('seg', slice.to.epoch);
    }
  }
}

function latest(a: SpoolPosition | null, b: SpoolPosition | null): SpoolPosition | null {
  if (a === null || b === null) return a ?? b;
  return isAtOrPast(a, b) ? a : b;
}

/** Whether `position` is not before `until`. */
export function isAtOrPast(position: SpoolPosition, until: SpoolPosition): boolean {
  return (position.epoch - until.epoch || position.segment - until.segment || position.offset - until.offset) >= 0;
}
