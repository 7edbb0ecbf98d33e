import { pino } from 'pino';
import { type Admin, startAdmin } from './admin.ts';
import { type Simulator, startSimulator } from './server.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const defaultListen = '127.0.0.1:7083';

/**
 * Runs the simulator as a process: prints the ready line, ends on SIGTERM and SIGINT, and with HOC_PARENT_PIPE=1 also
 * when its stdin closes. Resolves when it is ready; throws when it cannot listen.
 *
 * HOC_SIMULATOR_LISTEN `host:port` (port 0 for any), HOC_SIMULATOR_SPEED `realistic` or `instant`, HOC_SIMULATOR_LEDGER a
 * file that keeps the ledger, HOC_ADMIN_LISTEN `host:port` for /metrics, /livez and /readyz (none without it).
 */
export async function runSimulator(env: Environment): Promise<void> {
  const log = pino({ name: 'simulator' }, pino.destination(2));
  const simulator = await startSimulator({
    ...parseListen(env.HOC_SIMULATOR_LISTEN ?? defaultListen),
    speed: env.HOC_SIMULATOR_SPEED === 'instant' ? 'instant' : 'realistic',
    ledgerFile: env.HOC_SIMULATOR_LEDGER ?? null,
    onFailure: (error) => log.error({ err: error }, 'an answer failed'),
  });
  const admin =
    env.HOC_ADMIN_LISTEN === undefined ? null : await startAdmin(parseListen(env.HOC_ADMIN_LISTEN), simulator);
  const listen = { simulator: simulator.url, ...(admin === null ? {} : { admin: admin.url }) };
  endWith(env, () => stop(simulator, admin));
  process.stdout.write(`${JSON.stringify({ ready: true, process: 'simulator', listen })}\n`);
}

function endWith(env: Environment, end: () => void): void {
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  if (env.HOC_PARENT_PIPE !== '1') return;
  process.stdin.once('end', end);
  process.stdin.once('error', end);
  process.stdin.resume();
}

function stop(simulator: Simulator, admin: Admin | null): void {
  admin?.close();
  // Stdin would keep the process; nothing else does once the server is closed.
  process.stdin.destroy();
  void simulator.close();
}

function parseListen(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, Math.max(0, at)).replace(/^\[|\]$/g, '');
  const port = Number(text.slice(at + 1));
  if (host === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`A listen address is host:port, not '${text}'.`);
  }
  return { host, port };
}
