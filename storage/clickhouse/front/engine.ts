import { readFileSync } from 'node:fs';
import { Session } from 'chdb';
import { HocError } from '../../schema/errors.ts';
import { ClickHouseException, toException } from './exception.ts';
import { createGate, type Gate, type LaneName, laneWidths } from './lanes.ts';
import { quoteText } from './parameters.ts';
import { baseSettings, renderReset, renderSet } from './settings.ts';

/** What one query gave back, whole. */
export interface BufferedAnswer {
  bytes: Uint8Array;
  rows: number;
  bytesRead: number;
  elapsedSeconds: number;
}

/** A Session taken for one query. */
export interface EngineSlot {
  /** Applies the request's settings and database; they are undone before the next query of this Session. */
  prepare(settings: ReadonlyMap<string, string>, database: string | null): Promise<void>;
  query(sql: string, format: string): Promise<BufferedAnswer>;
  stream(sql: string, format: string): AsyncGenerator<Uint8Array>;
  /** Says that the statement itself changes the Session (SET, USE, temporary tables): it is not used again. */
  taint(): void;
}

export interface Engine {
  /** Runs `job` on a free Session of the lane. When `cancel` aborts, the running query is killed in the engine. */
  run<T>(
    lane: LaneName,
    signals: { left: AbortSignal; cancel: AbortSignal },
    job: (slot: EngineSlot) => Promise<T>,
  ): Promise<T>;
  gates: Readonly<Record<LaneName, Gate>>;
  /** One trivial query outside every lane; throws when the engine no longer answers. */
  ping(): Promise<void>;
  /** Releases every Session. Call it only when nothing runs. */
  close(): void;
}

interface Held {
  session: Session;
  base: ReadonlyMap<string, string>;
  tag: string;
}

/** Tainted Sessions wait here for a quiet moment: chDB keeps a Session closed under load alive until others finish. */
const mostTainted = 64;
const interactiveSeconds = 60;

/**
 * Opens the embedded engine on a folder and keeps it to this process (chDB locks it).
 *
 * chDB's Sessions on one path share data but not settings, so every lane has its own and a query's settings are undone
 * after it. The anchor Session carries the server caps, stays open, and sends KILL. Throws HocError `conflict` when the
 * folder is in use, with the process id that holds it.
 */
export function openEngine(input: { path: string; memoryBytes: number }): Engine {
  const { path, memoryBytes } = input;
  const anchor = openAnchor(path, memoryBytes);
  const idle: Record<LaneName, Held[]> = { insert: [], interactive: [], batch: [] };
  const gates = { insert: createGate(1), interactive: createGate(1), batch: createGate(1) };
  for (const lane of lanes) gates[lane] = createGate(laneWidths[lane]);
  const tainted: Session[] = [];
  let opened = 0;

  const open = (lane: LaneName): Held => openHeld({ path, memoryBytes, lane, tag: `hoc-${lane}-${++opened}` });
  const buryTainted = (): void => {
    const busy = lanes.some((lane) => gates[lane].running() > 0);
    if (!busy) for (const session of tainted.splice(0)) session.close();
  };

  return {
    gates,
    async run(lane, signals, job) {
      const leave = await gates[lane].enter(signals.left);
      try {
        const held = idle[lane].pop() ?? open(lane);
        const slot = createSlot(held, () => tainted.length < mostTainted);
        const reusable = await settle(slot, () =>
          killing({ anchor, tag: held.tag, cancel: signals.cancel, job: () => job(slot) }),
        );
        if (reusable.clean) idle[lane].push(held);
        else tainted.push(held.session);
        if ('error' in reusable) throw toException(reusable.error);
        return reusable.value;
      } finally {
        leave();
        buryTainted();
      }
    },
    async ping() {
      await anchor.queryAsync('SELECT 1', { format: 'Null' });
    },
    close() {
      for (const session of tainted.splice(0)) session.close();
      for (const lane of lanes) for (const held of idle[lane].splice(0)) held.session.close();
      anchor.close();
    },
  };
}

const lanes: readonly LaneName[] = ['insert', 'interactive', 'batch'];

function openAnchor(path: string, memoryBytes: number): Session {
  const connectionArgs = [
    `--max_server_memory_usage=${memoryBytes}`,
    `--mark_cache_size=${Math.floor(memoryBytes / 16)}`,
    `--index_mark_cache_size=${Math.floor(memoryBytes / 32)}`,
    `--query_condition_cache_size=${Math.floor(memoryBytes / 64)}`,
    '--uncompressed_cache_size=0',
    // Few merge threads beside a proxy on the same machine; the product stays at ClickHouse's own 32 merge slots,
    // which tables check when they are opened.
    '--background_pool_size=4',
    '--background_merges_mutations_concurrency_ratio=8',
    '--background_schedule_pool_size=8',
    '--async_insert=0',
  ];
  try {
    return new Session(path, { connectionArgs });
  } catch (cause) {
    throw new HocError({ code: 'conflict', publicMessage: explainLock(path), cause });
  }
}

/** A Session of a lane with that lane's settings. `tag` ends its log_comment, by which KILL finds its query. */
function openHeld(input: { path: string; memoryBytes: number; lane: LaneName; tag: string }): Held {
  const { path, memoryBytes, lane, tag } = input;
  const share = { insert: 0, interactive: 4, batch: 2 }[lane];
  const base = baseSettings({
    tag,
    maxExecutionSeconds: lane === 'interactive' ? interactiveSeconds : 0,
    queryMemoryBytes: share === 0 ? 0 : Math.floor(memoryBytes / share),
  });
  const connectionArgs = [...base].map(([name, value]) => `--${name}=${value}`);
  return { session: new Session(path, { connectionArgs }), base, tag };
}

/** The engine's `status` file names the process that locked the folder. */
function explainLock(path: string): string {
  let holder = '';
  try {
    const pid = /^PID: (\d+)/m.exec(readFileSync(`${path}/status`, 'utf8'))?.[1];
    holder = pid === undefined ? '' : ` (last opened by process ${pid})`;
  } catch (error) {
    holder = ` (its status file cannot be read: ${error instanceof Error ? error.name : 'error'})`;
  }
  return `The ClickHouse data folder ${path} is in use by another process${holder} or cannot be opened. One process may hold it at a time: stop the other one, or choose another HOC_CLICKHOUSE_PATH.`;
}

interface SlotState extends EngineSlot {
  /** Brings the Session back to how it was; false where it must not be used again. */
  restore(failed: boolean): Promise<boolean>;
}

function createSlot(held: Held, mayTaint: () => boolean): SlotState {
  const { session, base, tag } = held;
  let changed: ReadonlyMap<string, string> = new Map();
  let moved = false;
  let clean = true;
  return {
    async prepare(settings, database) {
      if (database !== null && database !== 'default') {
        moved = true;
        await session.queryAsync(`USE \`${quoteText(database).slice(1, -1)}\``, { format: 'Null' });
      }
      if (settings.size === 0) return;
      const comment = settings.get('log_comment');
      // The tag must stay last in log_comment: KILL finds the query by it.
      changed = comment === undefined ? settings : new Map([...settings, ['log_comment', `${comment} ${tag}`]]);
      await session.queryAsync(renderSet(changed), { format: 'Null' });
    },
    async query(sql, format) {
      const result = await session.queryAsync(sql, { format });
      return {
        bytes: result.bytes(),
        rows: result.rowsRead,
        bytesRead: result.bytesRead,
        elapsedSeconds: result.elapsed,
      };
    },
    async *stream(sql, format) {
      for await (const chunk of session.queryStream(sql, { format })) yield chunk.raw();
    },
    taint() {
      if (!mayTaint()) throw new ClickHouseException(202, 'Too many SET, USE or TEMPORARY statements while others run');
      clean = false;
    },
    async restore(failed) {
      if (!clean || changed.has('readonly')) return false;
      if (moved) await session.queryAsync('USE default', { format: 'Null' });
      if (changed.size > 0) await session.queryAsync(renderReset(changed, base), { format: 'Null' });
      return !failed || flushLeftovers(session);
    },
  };
}

/**
 * A query that fails after its first output leaves that output in its Session, and chDB would put it in front of the next
 * answer, which may be another tenant's. A trivial query takes it out; false where even that answer is not its own.
 */
async function flushLeftovers(session: Session): Promise<boolean> {
  for (let attempt = 0; attempt < 2; attempt++) {
    const result = await session.queryAsync('SELECT 1', {
      format: 'TabSeparated',
    });
    if (result.text() === '1\n') return true;
  }
  return false;
}

type Settled<T> = { clean: boolean; value: T } | { clean: boolean; error: unknown };

/** Runs a job and always brings its Session back to how it was; one that cannot be restored is not clean. */
async function settle<T>(slot: SlotState, job: () => Promise<T>): Promise<Settled<T>> {
  const outcome = await job().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const clean = await slot.restore('error' in outcome).catch(() => false);
  return { ...outcome, clean };
}

/** Kills the Session's query when `cancel` fires, and holds the Session until that KILL is through. */
async function killing<T>(input: {
  anchor: Session;
  tag: string;
  cancel: AbortSignal;
  job: () => Promise<T>;
}): Promise<T> {
  const { anchor, tag, cancel, job } = input;
  let kill: Promise<unknown> = Promise.resolve();
  const onAbort = (): void => {
    const sql = `KILL QUERY WHERE endsWith(Settings['log_comment'], '${tag}') ASYNC`;
    kill = anchor.queryAsync(sql, { format: 'Null' });
  };
  cancel.addEventListener('abort', onAbort, { once: true });
  try {
    return await job();
  } finally {
    cancel.removeEventListener('abort', onAbort);
    await kill;
  }
}
