import type { Ending, ReserveReply, ReserveRequest } from '../schema/reservation.ts';
import { answerAll, answerDown, type Lane, takeCall } from './lanes.ts';
import type { LimitsCall } from './limits-call.ts';
import type { CallOutcome, DownReason } from './sender.ts';

/** Each call expires more than it can add, so that a backlog of dead reservations always shrinks. */
const sweepFor = (reserves: number) => 8 + 2 * reserves;

export interface Turns {
  /** Runs that wait for the end of this turn. */
  waiting(): number;
  addReserve(request: ReserveRequest): Promise<ReserveReply>;
  /** `done` gets null, or the reason why the settlement is not known to be done. */
  addSettle(request: Ending, done: (reason: string | null) => void): void;
  /** Sends what waits at the end of this turn, also where nothing was added. */
  schedule(): void;
  /** Answers all that wait with `reason` and sends nothing any more. */
  end(reason: DownReason): void;
}

export interface TurnsOptions {
  callerId: string;
  maxRunsPerCall: number;
  epochOf: (tenant: string) => string | null;
  send: (tenant: string, call: LimitsCall) => Promise<CallOutcome>;
  /** Called before a turn's calls are made, to add to them. */
  beforeSend: () => void;
  afterSuccess: () => void;
}

/**
 * Gathers what is asked for in one turn of the event loop and sends it in one call per tenant, in the order it came,
 * settlements first, at most `maxRunsPerCall` runs in each. Never rejects: `send` does not.
 *
 * The turn ends with setImmediate, which runs after all sockets of the turn were read: with a microtask, which runs after
 * each of them, nearly every request would get a call of its own.
 */
export function createTurns(options: TurnsOptions): Turns {
  return new GatheringTurns(options);
}

class GatheringTurns implements Turns {
  readonly #options: TurnsOptions;
  #lanes = new Map<string, Lane>();
  #waiting = 0;
  #scheduled = false;
  #ended = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  waiting(): number {
    return this.#waiting;
  }

  addReserve(request: ReserveRequest): Promise<ReserveReply> {
    return new Promise((answer) => this.#join(request.tenant).reserves.push({ request, answer }));
  }

  addSettle(request: Ending, done: (reason: string | null) => void): void {
    this.#join(request.tenant).settles.push({ request, done });
  }

  schedule(): void {
    if (this.#scheduled || this.#ended) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  end(reason: DownReason): void {
    this.#ended = true;
    for (const lane of this.#takeLanes().values()) answerDown(lane, reason);
  }

  /** The lane of a tenant, for one more run that waits in it. */
  #join(tenant: string): Lane {
    this.#waiting += 1;
    this.schedule();
    const known = this.#lanes.get(tenant);
    if (known !== undefined) return known;
    const lane: Lane = { settles: [], reserves: [] };
    this.#lanes.set(tenant, lane);
    return lane;
  }

  #takeLanes(): Map<string, Lane> {
    const taken = this.#lanes;
    this.#lanes = new Map();
    this.#waiting = 0;
    return taken;
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#ended) return;
    this.#options.beforeSend();
    for (const [tenant, lane] of this.#takeLanes()) {
      while (lane.settles.length + lane.reserves.length > 0) {
        void this.#sendPart(tenant, takeCall(lane, this.#options.maxRunsPerCall));
      }
    }
  }

  async #sendPart(tenant: string, part: Lane): Promise<void> {
    const epoch = this.#options.epochOf(tenant);
    if (epoch === null) return answerDown(part, 'epoch_unknown' satisfies DownReason);
    const outcome = await this.#options.send(tenant, {
      epoch,
      caller: this.#options.callerId,
      sweep: sweepFor(part.reserves.length),
      settles: part.settles.map(({ request }) => request),
      reserves: part.reserves.map(({ request }) => request),
    });
    if (outcome.kind === 'down') return answerDown(part, outcome.reason);
    answerAll(part, outcome.replies);
    this.#options.afterSuccess();
  }
}
