import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChildRecord } from './leftovers.ts';
import { logSize, tailLog } from './log-files.ts';

/** The addresses a child says it listens on, by name, e.g. `{"admin":"http://127.0.0.1:40123"}`. */
export type Listening = Readonly<Record<string, string>>;

export interface ChildCommand {
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd?: string;
}

/** How one child is started, known to be ready, and ended. */
export interface ChildSpec {
  /** Name in logs, metrics and messages. */
  name: string;
  /** What to run; `last` is where this child listened before, so that a restart comes back to the same addresses. */
  command(last: Listening | null): ChildCommand;
  /** Ours: the ready line on stdout, and a stdin pipe whose end ends the child. A foreign program: a probe. */
  /** A process of ours that may load but not run before this settles; see `cli/release.ts`. */
  release?: Promise<unknown>;
  ready: 'line' | ((pid: number) => Promise<boolean>);
  readyTimeoutMs: number;
  stopSignal: NodeJS.Signals;
  stopTimeoutMs: number;
  /** Sent when a person asked to stop at once; what is left is killed. */
  forceSignal?: NodeJS.Signals;
}

export interface ChildContext {
  logFile: string;
  record: ChildRecord;
  /** Called once, when the child cannot be kept alive; the text says why and ends with its last lines. */
  onFatal(cause: string): void;
  onRestart?(name: string, why: string): void;
}

export type ChildPhase = 'starting' | 'ready' | 'restarting' | 'stopped';

export interface SupervisedChild {
  readonly spec: ChildSpec;
  /** Settles at the first readiness; rejects with the cause when the child cannot be kept alive before that. */
  readonly ready: Promise<Listening>;
  phase(): ChildPhase;
  listening(): Listening | null;
  pid(): number | null;
  restarts(): number;
  /** Ends the child in its own way and resolves when it is gone; kills it when it takes longer than allowed. */
  stop(): Promise<void>;
  /** Ends the child at once. */
  force(): void;
}

const crashLimit = 5;
const crashWindowMs = 60_000;

/**
 * Starts a child and keeps it alive: a crash restarts it after 100 ms, doubling up to 5 s; five crashes within a minute
 * are fatal. The child is in a session of its own, so that Ctrl-C in a terminal reaches only the supervisor, which then
 * stops everything in order.
 */
export function superviseChild(spec: ChildSpec, context: ChildContext): SupervisedChild {
  const state = new ChildState(spec, context);
  state.launch();
  return {
    spec,
    ready: state.firstReady,
    phase: () => state.phase,
    listening: () => state.listening,
    pid: () => state.process?.pid ?? null,
    restarts: () => state.restarts,
    stop: () => state.stop(),
    force: () => state.force(),
  };
}

class ChildState {
  phase: ChildPhase = 'starting';
  process: ChildProcess | null = null;
  listening: Listening | null = null;
  restarts = 0;
  readonly firstReady: Promise<Listening>;
  readonly #spec: ChildSpec;
  readonly #context: ChildContext;
  readonly #crashes: number[] = [];
  #stopping = false;
  #ended: Promise<void> = Promise.resolve();
  #logStart = 0;
  #restartTimer: NodeJS.Timeout | null = null;
  #resolveReady: (listening: Listening) => void = () => undefined;
  #rejectReady: (error: Error) => void = () => undefined;

  constructor(spec: ChildSpec, context: ChildContext) {
    this.#spec = spec;
    this.#context = context;
    this.firstReady = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Whoever waits sees the rejection; nobody waiting is no reason to crash.
    this.firstReady.catch(() => undefined);
  }

  launch(): void {
    if (this.#stopping) return;
    const ours = this.#spec.ready === 'line';
    const { program, args, env, cwd } = this.#spec.command(this.listening);
    this.#logStart = logSize(this.#context.logFile);
    const log = openSync(this.#context.logFile, 'a', 0o600);
    const child = spawn(program, args, {
      env,
      cwd,
      detached: true,
      stdio: [ours ? 'pipe' : 'ignore', ours ? 'pipe' : log, log],
    });
    closeSync(log);
    this.process = child;
    this.phase = this.restarts === 0 ? 'starting' : 'restarting';
    if (child.pid !== undefined) this.#context.record.add(this.#spec.name, child.pid, this.#spec.stopSignal);
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => this.#onEnd(child, error.message, resolve));
      child.once('exit', (code, signal) => this.#onEnd(child, signal ?? `exit code ${code}`, resolve));
    });
    // A child that dies while we write or hold its pipe is seen through `exit`.
    child.stdin?.on('error', () => undefined);
    releaseWhen(child, this.#spec.release);
    if (child.stdout !== null) this.#readLines(child);
    if (typeof this.#spec.ready === 'function') void this.#probe(child, this.#spec.ready);
    // A child that waits for others is not late while they are.
    const released = this.#spec.release ?? Promise.resolve();
    released.then(
      () => this.#watchDeadline(child),
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.#giveUp();
    const child = this.process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(this.#spec.stopSignal);
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#spec.stopTimeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }

  force(): void {
    this.#giveUp();
    const child = this.process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(this.#spec.forceSignal ?? 'SIGKILL');
    if (this.#spec.forceSignal !== undefined) setTimeout(() => child.kill('SIGKILL'), 3000).unref();
  }

  /** No restart from here on; whoever waits for readiness learns that it will not come. */
  #giveUp(): void {
    this.#stopping = true;
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
    if (this.process === null) this.phase = 'stopped';
    this.#rejectReady(new Error(`${this.#spec.name} was stopped before it was ready.`));
  }

  #readLines(child: ChildProcess): void {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const listening = this.phase === 'ready' ? null : parseReadyLine(line);
      if (listening === null) appendFileSync(this.#context.logFile, `${line}\n`);
      else this.#onReady(child, listening);
    });
  }

  async #probe(child: ChildProcess, isReady: (pid: number) => Promise<boolean>): Promise<void> {
    while (child.exitCode === null && child.signalCode === null && child.pid !== undefined && !this.#stopping) {
      if (await isReady(child.pid)) return this.#onReady(child, {});
      await delay(15);
    }
  }

  #onReady(child: ChildProcess, listening: Listening): void {
    if (this.process !== child || this.#stopping) return;
    this.phase = 'ready';
    this.listening = listening;
    this.#resolveReady(listening);
  }

  #watchDeadline(child: ChildProcess): void {
    const timer = setTimeout(() => {
      if (this.process !== child || this.phase === 'ready' || this.#stopping) return;
      this.#fail(`${this.#spec.name} was not ready within ${this.#spec.readyTimeoutMs / 1000} s.`);
      child.kill('SIGKILL');
    }, this.#spec.readyTimeoutMs);
    timer.unref();
  }

  #onEnd(child: ChildProcess, why: string, resolve: () => void): void {
    resolve();
    if (child.pid !== undefined) this.#context.record.remove(child.pid);
    if (this.process !== child) return;
    this.process = null;
    if (this.#stopping) {
      this.phase = 'stopped';
      return;
    }
    const now = Date.now();
    this.#crashes.push(now);
    const recent = this.#crashes.filter((at) => now - at < crashWindowMs).length;
    if (recent >= crashLimit) {
      this.#fail(`${this.#spec.name} ended ${crashLimit} times within a minute (${why}).`);
      return;
    }
    this.phase = 'restarting';
    this.restarts += 1;
    this.#context.onRestart?.(this.#spec.name, why);
    this.#restartTimer = setTimeout(() => this.launch(), Math.min(5000, 100 * 2 ** (recent - 1)));
  }

  #fail(sentence: string): void {
    this.#stopping = true;
    this.phase = 'stopped';
    const tail = tailLog(this.#context.logFile, this.#logStart);
    const cause = `${sentence}\nLast lines of ${this.#context.logFile}:\n${tail}`;
    this.#rejectReady(new Error(cause));
    this.#context.onFatal(cause);
  }
}

/** Lets a waiting child run once `release` resolves; where it rejects, the start fails and the child is ended. */
export function releaseWhen(child: ChildProcess, release: Promise<unknown> | undefined): void {
  release?.then(
    () => child.stdin?.write('\n'),
    () => undefined,
  );
}

function parseReadyLine(line: string): Listening | null {
  if (!line.startsWith('{')) return null;
  try {
    const said = JSON.parse(line) as { ready?: unknown; listen?: unknown };
    if (said.ready !== true) return null;
    return typeof said.listen === 'object' && said.listen !== null ? (said.listen as Listening) : {};
  } catch {
    // Not a ready line: it goes to the log as it is.
    return null;
  }
}
