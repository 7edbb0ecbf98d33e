import { HocError } from '../schema/errors.ts';
import type { CountRequest, Ending, ReserveReply, ReserveRequest, SettleRequest } from '../schema/reservation.ts';
import { type Circuit, createCircuit } from './circuit.ts';
import { type Redis, waitForRedis } from './connection.ts';
import { invalidateEpoch } from './epoch.ts';
import { createFence, type Fence } from './fence.ts';
import { checkCount, checkReserve, checkSettle } from './request-check.ts';
import { createRunBook, type RunBook } from './run-book.ts';
import { createScript, limitsSource, type Script } from './script.ts';
import { createSender, type DownReason, type Sender } from './sender.ts';
import { readServer } from './server-watch.ts';
import { createStrays, type Strays } from './strays.ts';
import { createTickWatch } from './tick-watch.ts';
import { createTurns, type Turns } from './turns.ts';

export interface ReservationsOptions {
  /** Names this caller among all that write; its calls are counted, so that a Redis that lost some of them is noticed. */
  callerId: string;
  /** The tenant's epoch from a durable source (the manifest), so that a Redis that lost its counters is noticed. */
  epochOf: (tenant: string) => string | null;
  /** Longest wait for Redis, in ms. Default 75. */
  timeoutMs?: number;
  /** Told when Redis is given up (`open`), and when it is asked again: at each change, never for a run. */
  onCircuit?: (state: 'open' | 'closed') => void;
  /** Most runs of one call; Redis serves nobody else while it runs. Default 64. */
  maxRunsPerCall?: number;
  /** Most runs that wait or are unanswered; more are answered `overloaded`. Default 20,000. */
  maxWaiting?: number;
  /** The script, for tests that need a clock of their own; by default the one on Redis time. */
  source?: string;
}

export interface Reservations {
  /**
   * Reserves all items of a run or none. Never waits longer than the timeout (and the turn of the event loop), and
   * answers `down` with a closed reason for every failure. A run that is open already is raised to the given amounts.
   * A run that was settled for good, or counted, is answered `gone`. Rejects with `internal` only for amounts outside 0 to 9e15 or two items on one counter.
   */
  reserve(request: ReserveRequest): Promise<ReserveReply>;
  /**
   * Settles runs, many in one call. Idempotent: a run that is not known was settled before. Rejects with
   * `engine_unavailable` where any of them is not known to be done; then all can be settled again.
   */
  settle(requests: readonly SettleRequest[]): Promise<void>;
  /**
   * Counts ended runs that were admitted while Redis was away, once each for all callers together. Promises and rejects
   * as `settle` does.
   */
  countOnce(requests: readonly CountRequest[]): Promise<void>;
  /** Resolves when Redis can be used; rejects with `not_ready` where it cannot be reached or may evict counters. */
  ready(): Promise<void>;
  /** For metrics and readiness. `waitingRuns` also counts runs that Redis still owes an answer. */
  state(): { circuit: 'open' | 'closed'; waitingRuns: number; strayRuns: number };
  /** Answers all that wait with `down` and stops. The connection stays the caller's. */
  close(): Promise<void>;
}

const failuresToOpen = 5;
const probeMs = 250;
const readyTimeoutMs = 10_000;

/**
 * Reservations and settlements against Redis: those of one turn of the event loop go in one call of the script per
 * tenant, in the order they came, settlements first.
 *
 * After five failures in a row everything is answered `down` at once, and Redis is probed every 250 ms. A grant that
 * comes after its caller was told `down` is settled at nothing as soon as it is seen, and so is what may have been granted
 * on a connection that broke; not where the run is held already, since a top-up that comes late belongs to a run that goes
 * on. Counters that have lost calls of ours are invalidated and answered `counters_stale`.
 */
export function createReservations(redis: Redis, options: ReservationsOptions): Reservations {
  return new RedisReservations(redis, options);
}

class RedisReservations implements Reservations {
  readonly #redis: Redis;
  readonly #script: Script;
  readonly #circuit: Circuit;
  readonly #sender: Sender;
  readonly #turns: Turns;
  readonly #fence: Fence;
  readonly #strays: Strays = createStrays();
  readonly #runs: RunBook = createRunBook();
  readonly #maxWaiting: number;
  #closed = false;

  constructor(redis: Redis, options: ReservationsOptions) {
    const { callerId, epochOf, timeoutMs = 75, maxRunsPerCall = 64, maxWaiting = 20_000 } = options;
    this.#redis = redis;
    this.#maxWaiting = maxWaiting;
    this.#script = createScript(redis, options.source ?? limitsSource());
    this.#circuit = createCircuit({
      failures: failuresToOpen,
      probeMs,
      probe: () => redis.ping(),
      onOpened: () => options.onCircuit?.('open'),
      onRecovered: () => {
        options.onCircuit?.('closed');
        this.#sendStrays();
      },
    });
    this.#sender = createSender({
      script: this.#script,
      circuit: this.#circuit,
      ticks: createTickWatch((tenant, epoch) => invalidateEpoch(redis, tenant, epoch)),
      timeoutMs,
      onStray: (tenant, runIds) => {
        this.#strays.keep(tenant, runIds);
        this.#sendStrays();
      },
    });
    this.#turns = createTurns({
      callerId,
      maxRunsPerCall,
      epochOf,
      send: this.#sender.send,
      beforeSend: () => this.#addStrays(),
      afterSuccess: this.#sendStrays,
    });
    this.#fence = createFence(redis, () => {
      this.#circuit.succeeded();
      this.#sendStrays();
    });
  }

  async reserve(request: ReserveRequest): Promise<ReserveReply> {
    checkReserve(request);
    if (request.items.length === 0) return { kind: 'granted', readings: [] };
    const reason = this.#findReason();
    if (reason !== null) return { kind: 'down', reason };
    this.#runs.asked(request.tenant, request.runId);
    const reply = await this.#turns.addReserve(request);
    this.#runs.answered(request.tenant, request.runId, reply.kind === 'granted');
    return reply;
  }

  async settle(requests: readonly SettleRequest[]): Promise<void> {
    for (const request of requests) checkSettle(request);
    await this.#end(requests);
  }

  async countOnce(requests: readonly CountRequest[]): Promise<void> {
    for (const request of requests) checkCount(request);
    await this.#end(requests);
  }

  async #end(requests: readonly Ending[]): Promise<void> {
    if (requests.length === 0) return;
    const reason = this.#findReason();
    if (reason !== null) throw settlementFailed(reason);
    await new Promise<void>((resolve, reject) => {
      let open = requests.length;
      for (const request of requests) {
        this.#turns.addSettle(request, (failure) => {
          open -= 1;
          if (failure !== null) return reject(settlementFailed(failure));
          this.#runs.settled(request.tenant, request.runId);
          if (open === 0) resolve();
        });
      }
    });
  }

  async ready(): Promise<void> {
    try {
      await waitForRedis(this.#redis, readyTimeoutMs);
      await this.#script.load();
      await this.#fence.whenKnown();
    } catch (cause) {
      throw new HocError({ code: 'not_ready', publicMessage: 'Redis cannot be used for limits yet.', cause });
    }
    await refuseEviction(this.#redis);
  }

  state(): { circuit: 'open' | 'closed'; waitingRuns: number; strayRuns: number } {
    return {
      circuit: this.#circuit.isOpen() ? 'open' : 'closed',
      waitingRuns: this.#countWaiting(),
      strayRuns: this.#strays.size(),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#circuit.close();
    this.#fence.close();
    this.#turns.end('closed');
  }

  /** Why nothing can be sent now; null where it can. */
  #findReason(): DownReason | null {
    if (this.#closed) return 'closed';
    if (this.#circuit.isOpen()) return 'circuit_open';
    const closedBecause = this.#fence.closedBecause();
    if (closedBecause !== null) {
      if (closedBecause === 'connection') this.#circuit.failed();
      return closedBecause;
    }
    return this.#countWaiting() >= this.#maxWaiting ? 'overloaded' : null;
  }

  #countWaiting(): number {
    return this.#turns.waiting() + this.#sender.unanswered();
  }

  /** Starts a turn for strays, where there are any and Redis can be asked. */
  readonly #sendStrays = (): void => {
    if (this.#strays.size() > 0 && this.#canSendStrays()) this.#turns.schedule();
  };

  #canSendStrays(): boolean {
    return !this.#circuit.isOpen() && this.#fence.closedBecause() === null;
  }

  /**
   * A stray that could not be settled waits for the next success, and so does one that is asked for again; of one without
   * valid counters nothing is left.
   */
  #addStrays(): void {
    if (!this.#canSendStrays()) return;
    for (const [tenant, runIds] of this.#strays.takeAll()) {
      for (const runId of runIds) {
        const found = this.#runs.find(tenant, runId);
        if (found === 'asked') this.#strays.keep(tenant, [runId]);
        if (found !== 'unknown') continue;
        this.#turns.addSettle({ tenant, runId, items: [] }, (reason) => {
          if (reason !== null && !reason.startsWith('counters_')) this.#strays.keep(tenant, [runId]);
        });
      }
    }
  }
}

function settlementFailed(reason: string): HocError {
  const publicMessage = `Settlement is not known to be done (${reason}); it can be repeated.`;
  return new HocError({ code: 'engine_unavailable', publicMessage });
}

/** A Redis that evicts keys would reset limits without a word. */
async function refuseEviction(redis: Redis): Promise<void> {
  if (!(await readServer(redis)).evicts) return;
  const publicMessage = 'Redis evicts keys: set its maxmemory-policy to noeviction, or limits would be reset.';
  throw new HocError({ code: 'not_ready', publicMessage });
}
