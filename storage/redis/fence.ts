import type { Redis } from './connection.ts';
import { readReplyError } from './script.ts';
import { readServer, type ServerState } from './server-watch.ts';

export interface Fence {
  /** Null where this connection may be used, or why it may not. */
  closedBecause(): null | 'connection' | 'redis_evicts';
  /** Resolves when this connection is known to be usable or not; rejects where it breaks before. */
  whenKnown(): Promise<void>;
  /** Stops for good. */
  close(): void;
}

const recheckMs = 2_000;

/**
 * Lets a new connection be used once nothing sent on an earlier one can happen any more, and as long as Redis evicts nothing.
 *
 * A call that was on its way when its connection broke may lie unread in the server's socket, and be done after the
 * settlement that is to undo it. So the server is first told to end the earlier connections, whose unread calls are
 * dropped with them; then `onOpen` is called. Where the server does not let us do that, the connection is used all the
 * same: expiry covers what is left. Whether Redis evicts is looked at again every two seconds.
 */
export function createFence(redis: Redis, onOpen: () => void): Fence {
  return new ConnectionFence(redis, onOpen);
}

class ConnectionFence implements Fence {
  readonly #redis: Redis;
  readonly #onOpen: () => void;
  readonly #timer: NodeJS.Timeout;
  #state: ReturnType<Fence['closedBecause']> = 'connection';
  /** Our connections to the server of that run id which may not have been ended there. */
  #known: { runId: string; clientId: number }[] = [];
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #checking = false;

  constructor(redis: Redis, onOpen: () => void) {
    this.#redis = redis;
    this.#onOpen = onOpen;
    redis.on('ready', this.#begin);
    redis.on('close', this.#shut);
    this.#timer = setInterval(this.#recheck, recheckMs);
    this.#timer.unref();
    if (redis.status === 'ready') this.#begin();
  }

  closedBecause(): ReturnType<Fence['closedBecause']> {
    return this.#state;
  }

  whenKnown(): Promise<void> {
    if (this.#state !== 'connection') return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#redis.off('ready', this.#begin);
    this.#redis.off('close', this.#shut);
    this.#shut();
  }

  readonly #shut = (): void => {
    this.#state = 'connection';
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the connection to Redis broke'));
  };

  /** Where it fails the connection has broken: the next one begins anew. */
  readonly #begin = (): void => {
    this.#identify().then(this.#open, () => undefined);
  };

  readonly #open = (server: ServerState | null): void => {
    if (this.#redis.status !== 'ready') return;
    this.#state = server?.evicts ? 'redis_evicts' : null;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    if (this.#state === null) this.#onOpen();
  };

  async #identify(): Promise<ServerState | null> {
    const redis = this.#redis;
    const [server, clientId] = await Promise.all([allowRefusal(readServer(redis)), allowRefusal(redis.client('ID'))]);
    const runId = server?.runId ?? '';
    const earlier = this.#known.filter((one) => one.runId === runId);
    const present = clientId === null ? [] : [{ runId, clientId }];
    this.#known = [...earlier, ...present];
    await Promise.all(earlier.map((one) => allowRefusal(redis.client('KILL', 'ID', one.clientId))));
    this.#known = present;
    return server;
  }

  readonly #recheck = (): void => {
    if (this.#state === 'connection' || this.#checking) return;
    this.#checking = true;
    const before = this.#state;
    allowRefusal(readServer(this.#redis))
      .then((server) => {
        if (this.#state === before && (before === null) === (server?.evicts === true)) this.#open(server);
      })
      // The connection broke; the next one looks anew.
      .catch(() => undefined)
      .finally(() => {
        this.#checking = false;
      });
  };
}

/** The answer, or null where Redis refuses the command; rejects where no answer came. */
async function allowRefusal<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (readReplyError(error) === null) throw error;
    return null;
  }
}
