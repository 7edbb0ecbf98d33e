import { Redis } from 'ioredis';

export type { Redis };

export interface ConnectOptions {
  /** Told of every connection error; a command that fails for it is rejected with it too. */
  onError?: (error: Error) => void;
  /** Shown by `CLIENT LIST`. */
  name?: string;
}

const connectTimeoutMs = 2_000;
/** A socket that owes an answer for this long is taken for dead and replaced. */
const socketTimeoutMs = 5_000;
const longestRetryDelayMs = 1_000;

/**
 * Opens a connection to Redis and keeps reopening it for ever, at most a second apart.
 *
 * Nothing waits for a connection: while there is none, commands are rejected at once, and a command that was on its way
 * when the connection broke is rejected and never sent again. So memory stays bounded while Redis is away, and nothing
 * is done twice. The caller ends it with `disconnect()`.
 */
export function connectRedis(url: string, options: ConnectOptions = {}): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: connectTimeoutMs,
    socketTimeout: socketTimeoutMs,
    retryStrategy: (times) => Math.min(50 * times, longestRetryDelayMs),
    ...(options.name === undefined ? {} : { connectionName: options.name }),
  });
  // Without a listener ioredis prints every error; a failed command carries its error to its caller in any case.
  redis.on('error', options.onError ?? (() => undefined));
  return redis;
}

/** Waits until `redis` is connected and has loaded its data; rejects with the last connection error after `timeoutMs`. */
export function waitForRedis(redis: Redis, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: Error | null = null;
    const remember = (error: Error) => {
      last = error;
    };
    const finish = (done: () => void) => {
      clearTimeout(timer);
      redis.off('error', remember);
      redis.off('ready', succeed);
      done();
    };
    const succeed = () => finish(resolve);
    const timer = setTimeout(
      () => finish(() => reject(last ?? new Error(`Redis was not ready within ${timeoutMs} ms`))),
      timeoutMs,
    );
    redis.on('error', remember);
    redis.on('ready', succeed);
  });
}
