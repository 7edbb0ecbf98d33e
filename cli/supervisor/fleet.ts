import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { HocError } from '../../storage/schema/errors.ts';
import {
  type ChildCommand,
  type ChildSpec,
  type Listening,
  releaseWhen,
  type SupervisedChild,
  superviseChild,
} from './child.ts';
import type { ChildRecord } from './leftovers.ts';
import { logSize, tailLog } from './log-files.ts';

export interface FleetContext {
  /** `DIR/logs`. */
  logs: string;
  record: ChildRecord;
  onFatal(cause: string): void;
  onRestart(name: string, why: string): void;
}

/** All children of one supervisor, in the order they were started. */
export interface Fleet {
  children(): readonly SupervisedChild[];
  /** Starts a child and waits for its first readiness. Throws HocError `engine_unavailable` with the cause. */
  start(spec: ChildSpec): Promise<Listening>;
  /** Runs a child of ours once to its end; it loads at once and runs when `release` resolves. Throws HocError `engine_unavailable` with its last lines when it fails. */
  runOnce(name: string, command: ChildCommand, release: Promise<unknown>): Promise<void>;
  /** Ends the children kind by kind (`proxy` is also `proxy-2`); those of no kind named end last. */
  stop(kinds: readonly string[]): Promise<void>;
  /** Ends all at once. */
  force(): void;
}

/** Makes an empty fleet. */
export function createFleet(context: FleetContext): Fleet {
  const children: SupervisedChild[] = [];
  const passing = new Set<ChildProcess>();
  let closing = false;
  const refuseWhenClosing = (): void => {
    if (closing) throw new HocError({ code: 'not_ready', publicMessage: 'HOC is stopping.' });
  };
  const stopNamed = async (wanted: (name: string) => boolean): Promise<void> => {
    await Promise.all(children.filter((child) => wanted(child.spec.name)).map((child) => child.stop()));
  };
  return {
    children: () => children,
    async start(spec) {
      refuseWhenClosing();
      const { record, onFatal, onRestart } = context;
      const child = superviseChild(spec, {
        logFile: join(context.logs, `${spec.name}.log`),
        record,
        onFatal,
        onRestart,
      });
      children.push(child);
      try {
        return await child.ready;
      } catch (cause) {
        const publicMessage = cause instanceof Error ? cause.message : String(cause);
        throw new HocError({ code: 'engine_unavailable', publicMessage, cause });
      }
    },
    async runOnce(name, command, release) {
      refuseWhenClosing();
      await runOnce(context, { name, command, passing, release });
    },
    async stop(kinds) {
      closing = true;
      for (const child of passing) child.kill('SIGTERM');
      for (const kind of kinds) await stopNamed((name) => name === kind || name.startsWith(`${kind}-`));
      await stopNamed(() => true);
    },
    force() {
      closing = true;
      for (const child of passing) child.kill('SIGKILL');
      for (const child of children) child.force();
    },
  };
}

interface Passing {
  name: string;
  command: ChildCommand;
  passing: Set<ChildProcess>;
  release: Promise<unknown>;
}

function runOnce(context: FleetContext, { name, command, passing, release }: Passing): Promise<void> {
  const logFile = join(context.logs, `${name}.log`);
  const from = logSize(logFile);
  const log = openSync(logFile, 'a', 0o600);
  const { program, args, env, cwd } = command;
  const child = spawn(program, args, { env, cwd, detached: true, stdio: ['pipe', log, log] });
  closeSync(log);
  if (child.pid !== undefined) context.record.add(name, child.pid, 'SIGTERM');
  child.stdin?.on('error', () => undefined);
  passing.add(child);
  releaseWhen(child, release);
  const failed = (why: string): HocError => {
    const publicMessage = `${name} failed (${why}).\nLast lines of ${logFile}:\n${tailLog(logFile, from)}`;
    return new HocError({ code: 'engine_unavailable', publicMessage });
  };
  return new Promise((resolve, reject) => {
    const end = (why: string | null): void => {
      passing.delete(child);
      if (child.pid !== undefined) context.record.remove(child.pid);
      if (why === null) resolve();
      else reject(failed(why));
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(code === 0 ? null : (signal ?? `exit code ${code}`)));
  });
}
