import { HocError } from '../schema/errors.ts';
import type { ReserveReply, ReserveRequest, SettleRequest } from '../schema/reservation.ts';
import { createCircuit } from './circuit.ts';
import { type Redis, waitForRedis } from './connection.ts';
import { answerAll, answerDown, type Lane, takeCall, type WaitingSettle } from './lanes.ts';
import { checkReserve, checkSettle } from './request-check.ts';
import { createScript, limitsSource } from './script.ts';
import { createSender, type DownReason } from './sender.ts';

export interface ReservationsOptions {
  /** The tenant's epoch from a durable source (the manifest), so that a Redis that lost its counters is noticed. */
  epochOf: (tenant: string) => string | null;
  /** Longest wait for Redis, in ms. Default 100. */
  timeoutMs?: number;
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
   * Rejects with `internal` only for amounts outside 0 to 9e15 or two items on one counter.
   */
  reserve(request: ReserveRequest): Promise<ReserveReply>;
  /**
   * Settles runs, many in one call. Idempotent: a run that is not known was settled before. Rejects with
   * `engine_unavailable` where any of them is not known to be done; then all can be settled again.
   */
  settle(requests: readonly SettleRequest[]): Promise<void>;
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
const maxStrays = 10_000;
/** Each call expires more than it can add, so that a backlog of dead reservations always shrinks. */
const sweepFor = (reserves: number) => 8 + 2 * reserves;

/**
 * Reservations and settlements against Redis: those of one turn of the event loop go in one call of the script per
 * tenant, in the order they came, settlements first.
 *
 * After five failures in a row everything is answered `down` at once, and Redis is probed every 250 ms. A grant that
 * comes after its caller was told `down` is settled at nothing as soon as it is seen; expiry covers what is never seen.
 */
export function createReservations(redis: Redis, options: ReservationsOptions): Reservations {
  const { epochOf, timeoutMs = 100, maxRunsPerCall = 64, maxWaiting = 20_000 } = options;
  const script = createScript(redis, options.source ?? limitsSource());
  const circuit = createCircuit({
    failures: failuresToOpen,
    probeMs,
    probe: () => redis.ping(),
    onRecovered: () => schedule(),
  });
  const sender = createSender({ script, circuit, timeoutMs, onStray: keepStrays });
  const lanes = new Map<string, Lane>();
  const strays = new Map<string, string[]>();
  let strayRuns = 0;
  let queued = 0;
  let scheduled = false;
  let closed = false;

  function refuse(): DownReason | null {
    if (closed) return 'closed';
    if (circuit.isOpen()) return 'circuit_open';
    return queued + sender.unanswered() >= maxWaiting ? 'overloaded' : null;
  }

  function laneOf(tenant: string): Lane {
    let lane = lanes.get(tenant);
    if (lane === undefined) {
      lane = { settles: [], reserves: [] };
      lanes.set(tenant, lane);
    }
    return lane;
  }

  /** setImmediate runs after all sockets of this turn were read, so that one call takes all their requests. */
  function schedule(): void {
    if (scheduled || closed) return;
    scheduled = true;
    setImmediate(flush);
  }

  function flush(): void {
    scheduled = false;
    if (!circuit.isOpen()) queueStrays();
    const taken = [...lanes];
    lanes.clear();
    queued = 0;
    for (const [tenant, lane] of taken) {
      while (lane.settles.length + lane.reserves.length > 0) void sendPart(tenant, takeCall(lane, maxRunsPerCall));
    }
  }

  async function sendPart(tenant: string, part: Lane): Promise<void> {
    const epoch = epochOf(tenant);
    if (epoch === null) return answerDown(part, 'epoch_unknown' satisfies DownReason);
    const outcome = await sender.send(tenant, {
      epoch,
      sweep: sweepFor(part.reserves.length),
      settles: part.settles.map(({ request }) => request),
      reserves: part.reserves.map(({ request }) => request),
    });
    if (outcome.kind === 'down') return answerDown(part, outcome.reason);
    answerAll(part, outcome.replies);
    if (strayRuns > 0) schedule();
  }

  /** Remembers reservations that nobody uses; past the bound they are left to expiry. */
  function keepStrays(tenant: string, runIds: string[]): void {
    const room = maxStrays - strayRuns;
    const kept = runIds.slice(0, room);
    if (kept.length === 0) return;
    strayRuns += kept.length;
    strays.set(tenant, (strays.get(tenant) ?? []).concat(kept));
    if (!circuit.isOpen() && redis.status === 'ready') schedule();
  }

  function queueStrays(): void {
    for (const [tenant, runIds] of strays) {
      const settles = runIds.map((runId): WaitingSettle => {
        const done = (reason: string | null) => {
          if (reason !== null && reason !== 'counters_invalid' && !closed) keepStrays(tenant, [runId]);
        };
        return { request: { tenant, runId, items: [] }, done };
      });
      laneOf(tenant).settles.push(...settles);
    }
    strays.clear();
    strayRuns = 0;
  }

  function onReconnected(): void {
    if (strayRuns > 0) schedule();
  }
  redis.on('ready', onReconnected);

  return {
    async reserve(request) {
      checkReserve(request);
      if (request.items.length === 0) return { kind: 'granted', readings: [] };
      const reason = refuse();
      if (reason !== null) return { kind: 'down', reason };
      queued += 1;
      schedule();
      return new Promise((answer) => laneOf(request.tenant).reserves.push({ request, answer }));
    },

    async settle(requests) {
      for (const request of requests) checkSettle(request);
      if (requests.length === 0) return;
      const reason = refuse();
      if (reason !== null) throw settlementFailed(reason);
      queued += requests.length;
      schedule();
      await Promise.all(
        requests.map(
          (request) =>
            new Promise<void>((resolve, reject) => {
              const done = (failure: string | null) =>
                failure === null ? resolve() : reject(settlementFailed(failure));
              laneOf(request.tenant).settles.push({ request, done });
            }),
        ),
      );
    },

    async ready() {
      try {
        await waitForRedis(redis, readyTimeoutMs);
        await script.load();
      } catch (cause) {
        throw new HocError({ code: 'not_ready', publicMessage: 'Redis cannot be used for limits yet.', cause });
      }
      await refuseEviction(redis);
    },

    state: () => ({
      circuit: circuit.isOpen() ? 'open' : 'closed',
      waitingRuns: queued + sender.unanswered(),
      strayRuns,
    }),

    async close() {
      closed = true;
      circuit.close();
      redis.off('ready', onReconnected);
      for (const lane of lanes.values()) answerDown(lane, 'closed' satisfies DownReason);
      lanes.clear();
    },
  };
}

function settlementFailed(reason: string): HocError {
  const publicMessage = `Settlement is not known to be done (${reason}); it can be repeated.`;
  return new HocError({ code: 'engine_unavailable', publicMessage });
}

/** A Redis that evicts keys would reset limits without a word. */
async function refuseEviction(redis: Redis): Promise<void> {
  const policy = /^maxmemory_policy:(\S+)/m.exec(await redis.info('memory'))?.[1];
  if (policy === undefined || policy === 'noeviction') return;
  const publicMessage = `Redis evicts keys (maxmemory-policy ${policy}): set it to noeviction, or limits would be reset.`;
  throw new HocError({ code: 'not_ready', publicMessage });
}
