import { Worker } from 'node:worker_threads';

/** What comes back for one job. */
interface Answer<T> {
  inspection?: T;
  failure?: string;
}

interface Task<Job, T> {
  job: Job;
  resolve(inspection: T): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

interface Thread<Job, T> {
  worker: Worker | null;
  task: Task<Job, T> | null;
}

export interface Inspector<Job, T> {
  /** Runs a job on a thread. Rejects where the thread fails, the owner has too many waiting, or it takes too long. */
  inspect(owner: string, job: Job): Promise<T>;
  close(): Promise<void>;
}

export interface InspectorOptions {
  /** The module that runs on each thread: it answers each message with `{ inspection }` or `{ failure }`. */
  entry: URL;
  threads: number;
  /** Jobs of one owner that may wait. */
  mostWaiting: number;
  /** How long a job may take, waiting included. */
  timeoutMs: number;
}

/**
 * Looks through long texts on threads beside the event loop. Owners take turns, so that one who asks for much waits for himself.
 * A thread starts with its first job; one that dies, or takes too long, fails its job alone, and the next one starts another.
 * Knows nothing of what a job is.
 */
export function createInspector<Job, T>(options: InspectorOptions): Inspector<Job, T> {
  return new ThreadPool<Job, T>(options);
}

class ThreadPool<Job, T> implements Inspector<Job, T> {
  readonly #options: InspectorOptions;
  /** Waiting jobs by owner; the owner whose turn it is stands first. */
  readonly #waiting = new Map<string, Task<Job, T>[]>();
  readonly #threads: Thread<Job, T>[];

  constructor(options: InspectorOptions) {
    this.#options = options;
    this.#threads = Array.from({ length: options.threads }, () => ({ worker: null, task: null }));
  }

  inspect(owner: string, job: Job): Promise<T> {
    const own = this.#waiting.get(owner) ?? [];
    if (own.length >= this.#options.mostWaiting) {
      return Promise.reject(new Error('too much waits for the inspector'));
    }
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => this.#expire(owner, task), this.#options.timeoutMs);
      const task: Task<Job, T> = { job, resolve, reject, timer };
      this.#waiting.set(owner, [...own, task]);
      const idle = this.#threads.find((thread) => thread.task === null);
      if (idle !== undefined) this.#work(idle);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker?.terminate()));
  }

  #next(): Task<Job, T> | null {
    for (const [owner, tasks] of this.#waiting) {
      const task = tasks.shift();
      this.#waiting.delete(owner);
      if (tasks.length > 0) this.#waiting.set(owner, tasks);
      if (task !== undefined) return task;
    }
    return null;
  }

  #work(thread: Thread<Job, T>): void {
    if (thread.task !== null) return;
    thread.task = this.#next();
    if (thread.task === null) return;
    thread.worker ??= this.#start(thread);
    thread.worker.postMessage(thread.task.job);
  }

  #start(thread: Thread<Job, T>): Worker {
    const worker = new Worker(this.#options.entry);
    worker.unref();
    worker.on('message', ({ inspection, failure }: Answer<T>) => {
      if (inspection === undefined) this.#end(thread, new Error(failure ?? 'the inspector gave no answer'));
      else this.#end(thread, inspection);
    });
    const lose = (error: Error) => {
      if (thread.worker !== worker) return;
      thread.worker = null;
      this.#end(thread, error);
    };
    worker.on('error', (error) => lose(error instanceof Error ? error : new Error('the inspector failed')));
    worker.on('exit', () => lose(new Error('the inspector has ended')));
    return worker;
  }

  #end(thread: Thread<Job, T>, result: T | Error): void {
    const { task } = thread;
    thread.task = null;
    if (task !== null) {
      clearTimeout(task.timer);
      if (result instanceof Error) task.reject(result);
      else task.resolve(result);
    }
    this.#work(thread);
  }

  #expire(owner: string, task: Task<Job, T>): void {
    const late = new Error('the inspector took too long');
    const thread = this.#threads.find((one) => one.task === task);
    if (thread !== undefined) {
      const { worker } = thread;
      thread.worker = null;
      void worker?.terminate();
      this.#end(thread, late);
      return;
    }
    const left = this.#waiting.get(owner)?.filter((one) => one !== task) ?? [];
    if (left.length > 0) this.#waiting.set(owner, left);
    else this.#waiting.delete(owner);
    task.reject(late);
  }
}
