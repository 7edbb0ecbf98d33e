import type {
  OpenReservation,
  ReservationItem,
  ReserveReply,
  ReserveRequest,
  SettleRequest,
} from '../../storage/schema/reservation.ts';
import type { OpenReservations } from './open-reservations.ts';
import type { ReservationPort } from './ports.ts';

/** Above every ceiling: what a run has taken already is entered, not asked for. */
const aboveCeilings = 9_000_000_000_000_000n;
/** Ended runs that wait for Redis, at most; beyond that the oldest is given up, and told. */
const mostOwed = 50_000;
const paidAtOnce = 500;

type AddSettlement = (tenant: string, runId: string, items: SettleRequest['items']) => void;

interface Uncounted {
  tenant: string;
  reservation: OpenReservation;
}

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
  /** Enters ended runs that Redis does not know yet. Never rejects: what fails is tried at the next call. */
  pay(): Promise<void>;
}

/**
 * Keeps account of the runs that Redis does not know: those that were admitted while the counters were away.
 *
 * Such a run owes the counters: once Redis answers again it is reserved above any ceiling and settled, so that what was
 * let through without them counts like everything else. A run is told apart by whether a `reserve` of it was granted.
 */
export function countRuns(input: {
  open: OpenReservations;
  reservations: Pick<ReservationPort, 'reserve'>;
  settle: AddSettlement;
  onFailure: (what: string, error: unknown) => void;
}): CountedRuns {
  const granted = new Set<string>();
  const uncounted = new Map<string, Uncounted>();
  const owed = new Map<string, Uncounted & { items: SettleRequest['items'] }>();
  const calls = createCallCount();
  let paying = false;

  async function reserve(request: ReserveRequest): Promise<ReserveReply> {
    const reply = await input.reservations.reserve(request);
    if (reply.kind !== 'granted' || request.items.length === 0) return reply;
    granted.add(request.runId);
    uncounted.delete(request.runId);
    return reply;
  }

  function owe(runId: string, run: Uncounted, items: SettleRequest['items']): void {
    owed.set(runId, { ...run, items });
    const [oldest] = owed.keys();
    if (owed.size <= mostOwed || oldest === undefined) return;
    owed.delete(oldest);
    input.onFailure('owed_run_dropped', new Error('too many ended runs wait for Redis'));
  }

  async function payOne([runId, { tenant, reservation, items }]: [
    string,
    Uncounted & { items: SettleRequest['items'] },
  ]) {
    const request: ReserveRequest = {
      tenant,
      runId,
      expiresInMs: reservation.expiresInMs,
      items: reservation.items.flatMap(enterItem),
    };
    const reply = await calls.watch(tenant, input.reservations.reserve(request));
    // A mark in between has put the run into the records that control sums.
    if (reply.kind !== 'down' && owed.delete(runId)) input.settle(tenant, runId, items);
  }

  return {
    reserve: (request) => calls.watch(request.tenant, reserve(request)),
    open: {
      put(tenant, reservation) {
        input.open.put(tenant, reservation);
        const { runId } = reservation;
        if (!granted.has(runId)) uncounted.set(runId, { tenant, reservation });
      },
      drop(runId) {
        input.open.drop(runId);
        granted.delete(runId);
        // The settlement of the run may be added within this very tick.
        setImmediate(() => uncounted.delete(runId));
      },
      list: (tenant) => input.open.list(tenant),
    },
    settle(tenant, runId, items) {
      const run = uncounted.get(runId);
      uncounted.delete(runId);
      if (run === undefined) input.settle(tenant, runId, items);
      else if (items.length > 0) owe(runId, run, items);
    },
    quiet: (tenant) => calls.quiet(tenant),
    take(tenant) {
      for (const [runId, run] of owed) if (run.tenant === tenant) owed.delete(runId);
      for (const [runId, run] of uncounted) if (run.tenant === tenant) uncounted.delete(runId);
      const taken = input.open.list(tenant);
      for (const { runId } of taken) granted.add(runId);
      return taken.map(describe);
    },
    async pay() {
      if (paying || owed.size === 0) return;
      paying = true;
      await Promise.all([...owed].slice(0, paidAtOnce).map(payOne)).catch((error: unknown) =>
        input.onFailure('pay', error),
      );
      paying = false;
    },
  };
}

/** What control is told of a run: no more of its items than that. */
function describe({ runId, atMs, expiresInMs, items }: OpenReservation): OpenReservation {
  return { runId, atMs, expiresInMs, items: items.map(({ key, window, amount }) => ({ key, window, amount })) };
}

/** Slots of concurrency are over with their run. */
function enterItem({ key, window, amount }: OpenReservation['items'][number]): ReservationItem[] {
  if (window.align === 'none') return [];
  return [{ limitId: '', key, window, amount, ceiling: aboveCeilings, near: aboveCeilings }];
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
