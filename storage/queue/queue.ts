import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { Queue, UnrecoverableError, Worker } from 'bullmq';
import { Redis } from 'ioredis';

/** One job as a worker gets it: `data` is what was added, never a secret. */
export interface QueuedJob {
  id: string;
  name: string;
  data: Readonly<Record<string, unknown>>;
  /** 1 on the first try. */
  attempt: number;
}

export interface JobQueue {
  /**
   * Adds a job that runs once; with the same `id` as a waiting or running one, nothing is added. A failing job is tried
   * again up to `attempts` times, the pause doubling from one second. Rejects where Redis does not answer.
   */
  add(job: { name: string; id: string; data: Readonly<Record<string, unknown>>; attempts: number }): Promise<void>;
  /** Makes a job run every `everyMs`, once over all workers; calling again replaces the period. */
  repeat(job: { name: string; everyMs: number }): Promise<void>;
  /** Resolves where the queue's Redis answers; rejects otherwise. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface JobWorker {
  close(): Promise<void>;
}

const prefix = 'hoc';
/** How long a closing worker waits for Redis once its job has ended. */
const lastWordMs = 1_000;
const kept = { removeOnComplete: { count: 100 }, removeOnFail: { count: 1_000 } };

function connect(url: string, onError: (error: Error) => void, maxRetriesPerRequest: number | null): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest, connectTimeout: 2_000 });
  redis.on('error', onError);
  return redis;
}

interface OpenQueue {
  queue: Queue;
  close(): Promise<void>;
}

function openQueue(input: { url: string; name: string; onError: (error: Error) => void }): OpenQueue {
  const connection = connect(input.url, input.onError, 1);
  const queue = new Queue(input.name, { connection, prefix, skipWaitingForReady: true, defaultJobOptions: kept });
  queue.on('error', input.onError);
  const close = async (): Promise<void> => {
    // Where Redis is away, BullMQ's own close rejects for the connection that it never had: there is nothing to close.
    await queue.close().catch(input.onError);
    connection.disconnect();
  };
  return { queue, close };
}

/**
 * Opens the queue of that name on a Redis of its own (`QUEUE_REDIS_URL`); `onError` hears of lost connections.
 *
 * BullMQ gives up a queue whose first connection failed, so that one is dropped after any failure and the next call
 * opens another: a Redis that comes late or comes back is found.
 */
export function createQueue(input: { url: string; name: string; onError: (error: Error) => void }): JobQueue {
  let open: OpenQueue | null = null;
  async function use(work: (queue: Queue) => Promise<unknown>): Promise<void> {
    const current = open ?? openQueue(input);
    open = current;
    try {
      await work(current.queue);
    } catch (error) {
      if (open === current) open = null;
      await current.close();
      throw error;
    }
  }
  return {
    add(job) {
      const backoff = { type: 'exponential', delay: 1_000 };
      const options = { jobId: job.id, attempts: job.attempts, backoff, removeOnComplete: true };
      return use((queue) => queue.add(job.name, job.data, options));
    },
    repeat(job) {
      const template = { name: job.name, opts: kept };
      return use((queue) => queue.upsertJobScheduler(job.name, { every: job.everyMs }, template));
    },
    ping: () => use((queue) => queue.count()),
    async close() {
      await open?.close();
      open = null;
    },
  };
}

/**
 * Runs jobs of the queue of that name, one at a time, until closed; closing waits for the job that runs, and a second
 * for Redis to take note of its end: where it does not, the job is given to another worker later. A job whose name has
 * no handler fails for good. A handler that throws has its job tried again as `add` said.
 */
export function createWorker(input: {
  url: string;
  name: string;
  handlers: Readonly<Record<string, (job: QueuedJob) => Promise<void>>>;
  onError: (error: Error) => void;
  onFailed: (job: { name: string; attempt: number }, error: Error) => void;
}): JobWorker {
  // A worker waits for Redis for ever, as BullMQ asks of its connection.
  const connection = connect(input.url, input.onError, null);
  const handlers = new Map(Object.entries(input.handlers));
  let running: Promise<void> = Promise.resolve();
  const worker = new Worker(
    input.name,
    async (job) => {
      const handler = handlers.get(job.name);
      if (handler === undefined) throw new UnrecoverableError(`no handler for job ${job.name}`);
      const work = handler({ id: job.id ?? '', name: job.name, data: { ...job.data }, attempt: job.attemptsMade + 1 });
      running = work.catch(() => undefined);
      await work;
    },
    { connection, prefix, concurrency: 1 },
  );
  worker.on('error', input.onError);
  worker.on('failed', (job, error) =>
    input.onFailed({ name: job?.name ?? '', attempt: job?.attemptsMade ?? 0 }, error),
  );
  /** Resolves once no job runs and Redis knows how the last one ended, or has not answered for a second. */
  async function waitUntilIdle(): Promise<void> {
    let awaited: Promise<void> | null = null;
    while (awaited !== running) {
      awaited = running;
      await awaited;
      // What the end of a job sends is sent within this turn; the answer to a ping comes behind it.
      await nextTurn();
      await Promise.race([connection.ping().catch(input.onError), delay(lastWordMs, undefined, { ref: false })]);
    }
  }
  return {
    async close() {
      // Left to itself, `worker.close` waits without an end for a Redis that went away, so the waiting is done here.
      await worker.pause(true);
      await waitUntilIdle();
      await worker.close(true);
      connection.disconnect();
    },
  };
}
