import type { Redis } from './connection.ts';

const channel = 'hoc:manifest';
const longestWaitMs = 1_000;

export interface ManifestChannel {
  /** Announces a manifest by its id. Rejects while Redis is away: proxies then find it by polling. */
  publish(id: string): Promise<void>;
  /**
   * Calls `onId` for every announcement until the returned function is called. It uses a connection of its own, which is
   * opened again for ever; what is announced while it is away is missed. Resolves when it listens, or after a second
   * while Redis is away: it listens then as soon as it can.
   */
  subscribe(onId: (id: string) => void): Promise<() => Promise<void>>;
}

/** The Redis channel on which control pushes the ids of new manifests to the proxies. A hint: polling is the promise. */
export function createManifestChannel(redis: Redis): ManifestChannel {
  return {
    async publish(id) {
      await redis.publish(channel, id);
    },
    async subscribe(onId) {
      // Subscribing waits for the connection, and is done again by ioredis after each reconnection.
      const subscriber = redis.duplicate({ enableOfflineQueue: true, maxRetriesPerRequest: null });
      // Reconnection is the answer to a broken connection; there is nobody to tell.
      subscriber.on('error', () => undefined);
      // What was received before the end but not yet read must not reach the caller after it.
      let ended = false;
      subscriber.on('message', (_channel, id) => {
        if (!ended) onId(id);
      });
      let timer: NodeJS.Timeout | undefined;
      const longest = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, longestWaitMs);
      });
      // It is rejected only by the disconnection below: until then it is tried again with every connection.
      const listening = subscriber.subscribe(channel).then(
        () => undefined,
        () => undefined,
      );
      await Promise.race([listening, longest]);
      clearTimeout(timer);
      return async () => {
        ended = true;
        subscriber.disconnect();
      };
    },
  };
}
