import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { computeCharge } from './prices.ts';

/** Most entries that are kept one by one; older ones live on in the totals. */
const maxEntries = 1_000_000;

/** What the simulator charged for one request, as it is told. */
export interface LedgerEntry {
  /** Id of the answer, which stands in its body (`chatcmpl-…`, `msg_…`). */
  id: string;
  /** The request's `x-hoc-run-id` or `x-simulator-tag`, for correlation in tests. */
  run_id: string | null;
  model: string;
  input_tokens: number;
  /** Tokens of the whole answer, as its usage tells or would have told. */
  output_tokens: number;
  cached_input_tokens: number;
  /** Charge in nano-USD for the input and the output that was produced. */
  cost_nano_usd: string;
  status: number;
  streamed: boolean;
  /** Tokens produced until the end, or until the caller left. These are charged. */
  produced_output_tokens: number;
  /** Whether the whole answer was handed over. */
  finished: boolean;
  /** Part of the output that is not shown. */
  reasoning_tokens: number;
  /** Unix milliseconds of the request. */
  at: number;
}

/** One request while it is being answered; whoever produces tokens keeps `produced` up to date. */
export interface OpenEntry extends Omit<LedgerEntry, 'cost_nano_usd' | 'produced_output_tokens'> {
  produced: number;
}

export interface LedgerTotals {
  entries: number;
  finished: number;
  input_tokens: number;
  cached_input_tokens: number;
  produced_output_tokens: number;
  cost_nano_usd: string;
}

/**
 * The simulator's own account: one entry for each request that it produced output for, charged for what was produced
 * whether or not the caller stayed.
 *
 * With a file it outlives its process, however that ends: an entry is appended to it as a JSON line when it opens, when it
 * closes, and in between before anything leaves that was produced since. All lines of an id are read at the start, and
 * the last one counts, so that an answer whose process was killed stands at what it had produced by then.
 */
export class Ledger {
  readonly #entries: OpenEntry[] = [];
  readonly #open = new Map<OpenEntry, number>();
  #file: number | null;
  #closed: LedgerTotals = noTotals;

  constructor(path: string | null) {
    this.#file = path === null ? null : openSync(path, 'a+', 0o600);
    if (this.#file === null) return;
    const last = new Map<string, LedgerEntry>();
    const text = readFileSync(this.#file, 'utf8');
    for (const line of text.split('\n')) {
      const entry = readLine(line);
      if (entry !== null) last.set(entry.id, entry);
    }
    // Ends a line that a kill has torn, so that the next one stands alone.
    if (text !== '' && !text.endsWith('\n')) writeSync(this.#file, '\n');
    for (const entry of last.values()) this.#restore(entry);
  }

  open(entry: Omit<OpenEntry, 'produced' | 'finished'>): OpenEntry {
    const opened: OpenEntry = { ...entry, produced: 0, finished: false };
    this.#keep(opened);
    this.#open.set(opened, 0);
    this.#append(opened);
    return opened;
  }

  /** Writes down what an open entry has produced, if that is more than is written. */
  note(entry: OpenEntry): void {
    const noted = this.#open.get(entry);
    if (noted === undefined || entry.produced <= noted) return;
    this.#open.set(entry, entry.produced);
    this.#append(entry);
  }

  /** Ends an entry: nothing more is produced for it. */
  close(entry: OpenEntry): void {
    // An entry from before a reset is no longer of this account.
    if (!this.#open.delete(entry)) return;
    this.#closed = addTo(this.#closed, entry);
    this.#append(entry);
  }

  totals(): LedgerTotals {
    return [...this.#open.keys()].reduce(addTo, this.#closed);
  }

  /** The entries from the oldest on, as JSON texts, so that a long ledger can be sent in parts. */
  *texts(): Iterable<string> {
    for (const entry of this.#entries) yield JSON.stringify(tell(entry));
  }

  reset(): void {
    this.#entries.length = 0;
    this.#open.clear();
    this.#closed = noTotals;
    if (this.#file !== null) ftruncateSync(this.#file, 0);
  }

  /** Closes what is open, and the file. */
  end(): void {
    for (const entry of [...this.#open.keys()]) this.close(entry);
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #append(entry: OpenEntry): void {
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(tell(entry))}\n`);
  }

  #keep(entry: OpenEntry): void {
    this.#entries.push(entry);
    // A tenth at once, as taking one from the front moves all others.
    if (this.#entries.length > maxEntries) this.#entries.splice(0, maxEntries / 10);
  }

  #restore(told: LedgerEntry): void {
    const { cost_nano_usd: _, produced_output_tokens: produced, ...entry } = told;
    this.#keep({ ...entry, produced });
    this.#closed = addTo(this.#closed, { ...entry, produced });
  }
}

/** An entry, or null for a line torn by a kill: the process that wrote it told nobody of it. */
function readLine(line: string): LedgerEntry | null {
  return line.startsWith('{') && line.endsWith('}') ? (JSON.parse(line) as LedgerEntry) : null;
}

const noTotals: LedgerTotals = {
  entries: 0,
  finished: 0,
  input_tokens: 0,
  cached_input_tokens: 0,
  produced_output_tokens: 0,
  cost_nano_usd: '0',
};

function chargeOf(entry: OpenEntry): bigint {
  const { input_tokens: input, cached_input_tokens: cachedInput, produced: output } = entry;
  return computeCharge(entry.model, { input, cachedInput, output });
}

function tell(entry: OpenEntry): LedgerEntry {
  const { produced, ...told } = entry;
  return { ...told, produced_output_tokens: produced, cost_nano_usd: chargeOf(entry).toString() };
}

function addTo(totals: LedgerTotals, entry: OpenEntry): LedgerTotals {
  return {
    entries: totals.entries + 1,
    finished: totals.finished + (entry.finished ? 1 : 0),
    input_tokens: totals.input_tokens + entry.input_tokens,
    cached_input_tokens: totals.cached_input_tokens + entry.cached_input_tokens,
    produced_output_tokens: totals.produced_output_tokens + entry.produced,
    cost_nano_usd: (BigInt(totals.cost_nano_usd) + chargeOf(entry)).toString(),
  };
}
