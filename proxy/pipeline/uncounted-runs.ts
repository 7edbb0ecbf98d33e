import { HocError } from '../../storage/schema/errors.ts';
import type {
  CountRequest,
  OpenReservation,
  ReserveReply,
  ReserveRequest,
  SettleRequest,
} from '../../storage/schema/reservation.ts';
import type { OpenReservations } from './open-reservations.ts';
import type { ReservationPort } from './ports.ts';

/** Ended runs that wait for Redis, at most; beyond that the oldest is given up, and told. */
const mostOwed = 50_000;
const paidAtOnce = 500;

type AddSettlement = (tenant: string, runId: string, items: SettleRequest['items']) => void;

interface Uncounted {
  tenant: string;
  reservation: OpenReservation;
  /** Whether the counters know of it by now: it must not be entered again, only settled. */
  entered: boolean;
}

type OwedRun = Uncounted & { items: SettleRequest['items'] };

export interface CountedRuns {
  /** The driver's call, noted on the way. */
  reserve(request: ReserveRequest): Promise<ReserveReply>;
  /** The registry, noted on the way. */
  open: OpenReservations;
  /** Hands the settlement of an ended run on: at once, or when Redis has heard of the run. */
  settle: AddSettlement;
  /** Resolves when every `reserve` of the tenant is answered, and noted, that was under way when this was called. */
  quiet(tenant: string): Promise<void>;
  /**
   * What is open of a tenant now, to be told to control. From here on it counts as known to the counters; what has ended
   * stands in the records before this moment, from which control sums, and is owed no more.
   */
  take(tenant: string): readonly OpenReservation[];
  /** Counts ended runs that were uncounted. Never rejects: what fails is tried at the next call. */
  pay(): Promise<void>;
}

interface CountedInput {
  open: OpenReservations;
  reservations: ReservationPort & { countOnce(requests: readonly CountRequest[]): Promise<void> };
  settle: AddSettlement;
  /** Puts on record that these runs are counted, so that no shipper counts them when Redis has forgotten that they were. */
  noteSettled: (tenant: string, runIds: readonly string[]) => void;
  onFailure: (what: string, error: unknown) => void;
}

/**
 * Keeps account of the runs that Redis does not know: those that were admitted while the counters were away.
 *
 * Such a run owes the counters: once Redis answers again it is counted above any ceiling, so that what was let through
 * without them counts like everything else. A run is told apart by whether a `reserve` of it was granted. The shipper
 * counts it too where this process dies before; whoever comes first has done it for both.
 */
export function countRuns(input: CountedInput): CountedRuns {
  const account = new Account(input);
  return {
    reserve: (request) => account.reserve(request),
    open: {
      put: (tenant, reservation) => account.put(tenant, reservation),
      drop: (runId) => account.drop(runId),
      list: (tenant) => input.open.list(tenant),
    },
    settle: (tenant, runId, items) => account.settle(tenant, runId, items),
    quiet: (tenant) => account.quiet(tenant),
    take: (tenant) => account.take(tenant),
    pay: () => account.pay(),
  };
}

class Account {
  readonly #input: CountedInput;
  readonly #granted = new Set<string>();
  readonly #uncounted = new Map<string, Uncounted>();
  readonly #owed = new Map<string, OwedRun>();
  readonly #calls = createCallCount();
  #paying = false;

  constructor(input: CountedInput) {
    this.#input = input;
  }

  reserve(request: ReserveRequest): Promise<ReserveReply> {
    return this.#calls.watch(request.tenant, this.#reserve(request));
  }

  async #reserve(request: ReserveRequest): Promise<ReserveReply> {
    const reply = await this.#input.reservations.reserve(request);
    if (reply.kind !== 'granted' || request.items.length === 0) return reply;
    this.#granted.add(request.runId);
    const uncounted = this.#uncounted.get(request.runId);
    if (uncounted !== undefined) uncounted.entered = true;
    return reply;
  }

  put(tenant: string, reservation: OpenReservation): void {
    this.#input.open.put(tenant, reservation);
    const { runId } = reservation;
    const uncounted = this.#uncounted.get(runId);
    if (uncounted !== undefined) uncounted.reservation = reservation;
    else if (!this.#granted.has(runId)) this.#uncounted.set(runId, { tenant, reservation, entered: false });
  }

  drop(runId: string): void {
    this.#input.open.drop(runId);
  }

  settle(tenant: string, runId: string, items: SettleRequest['items']): void {
    const run = this.#uncounted.get(runId);
    this.#uncounted.delete(runId);
    this.#granted.delete(runId);
    if (run === undefined || run.entered) this.#input.settle(tenant, runId, items);
    if (run === undefined || (items.length === 0 && !run.entered)) return;
    this.#owed.set(runId, { ...run, items });
    const [oldest] = this.#owed.keys();
    if (this.#owed.size <= mostOwed || oldest === undefined) return;
    this.#owed.delete(oldest);
    this.#input.onFailure('owed_run_dropped', new Error('too many ended runs wait for Redis'));
  }

  quiet(tenant: string): Promise<void> {
    return this.#calls.quiet(tenant);
  }

  take(tenant: string): readonly OpenReservation[] {
    for (const [runId, run] of this.#owed) if (run.tenant === tenant) this.#owed.delete(runId);
    for (const run of this.#uncounted.values()) if (run.tenant === tenant) run.entered = true;
    const taken = this.#input.open.list(tenant);
    for (const { runId } of taken) this.#granted.add(runId);
    return taken.map(describe);
  }

  async pay(): Promise<void> {
    if (this.#paying || this.#owed.size === 0) return;
    this.#paying = true;
    const due = [...this.#owed].slice(0, paidAtOnce);
    const results = await Promise.allSettled(due.map(([runId, run]) => this.#payOne(runId, run)));
    this.#paying = false;
    for (const [runId, run] of due) {
      // What waits on for its tenant's counters stands behind the others.
      if (this.#owed.get(runId) === run && this.#owed.delete(runId)) this.#owed.set(runId, run);
    }
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) this.#input.onFailure('pay', failure.reason);
    this.#note(due.filter((_, at) => isPaid(results[at])));
  }

  #note(paid: readonly (readonly [runId: string, run: OwedRun])[]): void {
    const tenants = new Map<string, string[]>();
    for (const [runId, { tenant }] of paid) tenants.set(tenant, [...(tenants.get(tenant) ?? []), runId]);
    try {
      for (const [tenant, runIds] of tenants) this.#input.noteSettled(tenant, runIds);
    } catch (error) {
      this.#input.onFailure('note_settled', error);
    }
  }

  /** Whether the counters have the run by now. */
  async #payOne(runId: string, run: OwedRun): Promise<boolean> {
    const { tenant, items, entered } = run;
    const { reservations } = this.#input;
    // What control restored as open is settled: counted, it would be charged anew once somebody else has settled it.
    if (entered) await reservations.settle([{ tenant, runId, items }]);
    else if (!(await this.#count(runId, run))) return false;
    if (this.#owed.get(runId) === run) this.#owed.delete(runId);
    return true;
  }

  /** False where Redis is away still, which is no news. */
  async #count(runId: string, run: OwedRun): Promise<boolean> {
    try {
      await this.#calls.watch(run.tenant, this.#input.reservations.countOnce([countOf(runId, run)]));
      return true;
    } catch (error) {
      if (error instanceof HocError && error.code === 'engine_unavailable') return false;
      throw error;
    }
  }
}

function isPaid(result: PromiseSettledResult<boolean> | undefined): boolean {
  return result?.status === 'fulfilled' && result.value;
}

/** What control is told of a run: no more of its items than that. */
function describe({ runId, atMs, expiresInMs, items }: OpenReservation): OpenReservation {
  const told = items.map(({ key, window, amount, atMs: sinceMs }) => {
    return sinceMs === undefined ? { key, window, amount } : { key, window, amount, atMs: sinceMs };
  });
  return { runId, atMs, expiresInMs, items: told };
}

function countOf(runId: string, { tenant, reservation, items }: OwedRun): CountRequest {
  const amounts = new Map(items.map(({ key, amount }) => [key, amount]));
  return {
    ...{ tenant, runId, atMs: reservation.atMs },
    items: reservation.items.flatMap(({ key, window }) => {
      const amount = amounts.get(key) ?? 0n;
      return amount === 0n ? [] : [{ key, window, amount }];
    }),
  };
}

/** Calls that have no answer yet, by tenant. */
function createCallCount(): {
  watch<T>(tenant: string, call: Promise<T>): Promise<T>;
  quiet(tenant: string): Promise<void>;
} {
  const calls = new Map<string, Set<Promise<unknown>>>();
  return {
    watch(tenant, call) {
      const ofTenant = calls.get(tenant) ?? new Set();
      calls.set(tenant, ofTenant.add(call));
      const done = (): void => void ofTenant.delete(call);
      call.then(done, done);
      return call;
    },
    async quiet(tenant) {
      await Promise.allSettled(calls.get(tenant) ?? []);
      // Whoever waits for such a call has gone on by the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
