import { WebSocket } from 'undici';

interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
}

/** V8's CPU profile: which node was on top at each sample, and the time between samples in µs. */
interface CpuProfile {
  nodes: { id: number; callFrame: CallFrame }[];
  samples: number[];
  timeDeltas: number[];
}

export interface HotFunction {
  name: string;
  where: string;
  selfMs: number;
  percent: number;
}

/** Node's default address of the inspector that SIGUSR1 opens. */
const inspector = 'http://127.0.0.1:9229';

/**
 * Profiles a running Node process while `work` runs, and answers its functions by the time spent in them alone.
 * Opens the inspector by SIGUSR1, so the process needs no flag and its start is not in the profile. Rejects where another
 * process holds the inspector's port.
 */
export async function profileProcess(pid: number, work: () => Promise<void>): Promise<HotFunction[]> {
  process.kill(pid, 'SIGUSR1');
  const session = await openSession(await findInspector());
  try {
    const evaluated = (await session.call('Runtime.evaluate', { expression: 'process.pid' })) as {
      result: { value: number };
    };
    if (evaluated.result.value !== pid)
      throw new Error(`${inspector} belongs to process ${evaluated.result.value}, not ${pid}`);
    await session.call('Profiler.enable');
    await session.call('Profiler.setSamplingInterval', { interval: 200 });
    await session.call('Profiler.start');
    await work();
    const { profile } = (await session.call('Profiler.stop')) as { profile: CpuProfile };
    return rankFunctions(profile);
  } finally {
    session.close();
  }
}

/** Functions of a profile by self time, the most expensive first; idle time is left out of the total. */
export function rankFunctions(profile: CpuProfile): HotFunction[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const selfUs = new Map<string, { frame: CallFrame; us: number }>();
  let totalUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    const us = profile.timeDeltas[index] ?? 0;
    if (frame === undefined || frame.functionName === '(idle)' || frame.functionName === '(program)') continue;
    const key = `${frame.functionName} ${frame.url}:${frame.lineNumber}`;
    const seen = selfUs.get(key) ?? { frame, us: 0 };
    seen.us += us;
    selfUs.set(key, seen);
    totalUs += us;
  }
  return [...selfUs.values()]
    .sort((a, b) => b.us - a.us)
    .map(({ frame, us }) => ({
      name: frame.functionName || '(anonymous)',
      where:
        frame.url === ''
          ? 'native'
          : `${frame.url.replace(/^.*\/(?=(node_modules|dist)\/)/, '')}:${frame.lineNumber + 1}`,
      selfMs: us / 1000,
      percent: totalUs === 0 ? 0 : (us / totalUs) * 100,
    }));
}

async function findInspector(): Promise<string> {
  const deadlineMs = Date.now() + 5000;
  for (;;) {
    try {
      const targets = (await (await fetch(`${inspector}/json/list`)).json()) as { webSocketDebuggerUrl: string }[];
      const url = targets[0]?.webSocketDebuggerUrl;
      if (url !== undefined) return url;
    } catch (error) {
      if (Date.now() > deadlineMs) throw new Error(`The inspector does not answer at ${inspector}`, { cause: error });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Session {
  call(method: string, params?: object): Promise<unknown>;
  close(): void;
}

async function openSession(url: string): Promise<Session> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, (result: unknown) => void>();
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error(`No inspector session at ${url}`)));
  });
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (id === undefined) return;
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let lastId = 0;
  return {
    call(method, params = {}) {
      lastId += 1;
      const id = lastId;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ id, method, params }));
      });
    },
    close: () => socket.close(),
  };
}
