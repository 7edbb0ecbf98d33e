import { Worker } from 'node:worker_threads';

/** What comes back for one job. */
interface Answer<T> {
  id: number;
  inspection?: T;
  failure?: string;
}

interface Waiting<T> {
  resolve(inspection: T): void;
  reject(error: Error): void;
}

export interface Inspector<Job, T> {
  /** Runs a job on a thread of its own. Rejects where the thread fails, or where too many wait already. */
  inspect(job: Job): Promise<T>;
  close(): Promise<void>;
}

const mostWaiting = 256;

/**
 * Looks through long texts on one thread beside the event loop, job by job in the order they come. The thread starts with the
 * first job; one that dies takes its open jobs with it, and the next job starts another. Knows nothing of what a job is.
 */
export function createInspector<Job, T>(entry: URL): Inspector<Job, T> {
  const waiting = new Map<number, Waiting<T>>();
  let worker: Worker | null = null;
  let lastId = 0;

  function lose(lost: Worker, error: Error): void {
    if (worker !== lost) return;
    worker = null;
    const open = [...waiting.values()];
    waiting.clear();
    for (const { reject } of open) reject(error);
  }

  function start(): Worker {
    const started = new Worker(entry);
    started.unref();
    started.on('message', ({ id, inspection, failure }: Answer<T>) => {
      const asked = waiting.get(id);
      waiting.delete(id);
      if (inspection !== undefined) asked?.resolve(inspection);
      else asked?.reject(new Error(failure ?? 'the inspector gave no answer'));
    });
    started.on('error', (error) => lose(started, error instanceof Error ? error : new Error('the inspector failed')));
    started.on('exit', () => lose(started, new Error('the inspector has ended')));
    return started;
  }

  return {
    inspect(job) {
      if (waiting.size >= mostWaiting) return Promise.reject(new Error('the inspector has too much to do'));
      worker ??= start();
      lastId += 1;
      const id = lastId;
      const answered = new Promise<T>((resolve, reject) => waiting.set(id, { resolve, reject }));
      worker.postMessage({ id, job });
      return answered;
    },
    async close() {
      await worker?.terminate();
    },
  };
}
