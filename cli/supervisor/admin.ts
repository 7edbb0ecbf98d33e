import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Finding } from '../../storage/schema/errors.ts';
import type { SupervisedChild } from './child.ts';
import { joinMetrics, type ProcessMetrics } from './metrics.ts';
import type { Listen } from './ports.ts';

const answerTimeoutMs = 2000;

/** A configuration that could not be applied while an earlier one stays in force. */
export interface Alarm {
  message: string;
  findings: readonly Finding[];
}

export interface AdminState {
  children(): readonly SupervisedChild[];
  /** True once everything has been ready together. */
  started(): boolean;
  alarms(): readonly Alarm[];
}

/**
 * Serves /metrics (all processes, each sample with its `process`), /livez and /readyz on the supervisor's address.
 * `/readyz` is 200 while every child is ready; an alarm about a refused configuration stands in it but keeps it 200,
 * since the last good configuration is in force.
 */
export function serveAdmin(listen: Listen, state: AdminState): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(response, { status: 405, type: 'text/plain', body: 'GET only\n' });
    if (path === '/livez') return send(response, { status: 200, type: 'text/plain', body: 'ok\n' });
    if (path === '/readyz') return void sendReadiness(response, state);
    if (path === '/metrics') return void sendMetrics(response, state);
    send(response, { status: 404, type: 'text/plain', body: 'There is /metrics, /livez and /readyz.\n' });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen, () => resolve(server));
  });
}

async function sendReadiness(response: ServerResponse, state: AdminState): Promise<void> {
  const processes = await Promise.all(state.children().map(readinessOf));
  const ready = state.started() && processes.every((one) => one.ready);
  const alarms = state.alarms();
  const body = { ready, processes: Object.fromEntries(processes.map(({ name, ...rest }) => [name, rest])), alarms };
  send(response, { status: ready ? 200 : 503, type: 'application/json', body: `${JSON.stringify(body)}\n` });
}

async function readinessOf(child: SupervisedChild): Promise<{ name: string; ready: boolean; detail: string }> {
  const name = child.spec.name;
  const admin = child.listening()?.admin;
  if (child.phase() !== 'ready' || admin === undefined) {
    return { name, ready: child.phase() === 'ready', detail: child.phase() };
  }
  const answer = await get(`${admin}/readyz`);
  if (answer === null) return { name, ready: false, detail: 'does not answer' };
  return {
    name,
    ready: answer.status === 200,
    detail: answer.status === 200 ? 'ready' : answer.text.trim().slice(0, 1000),
  };
}

async function sendMetrics(response: ServerResponse, state: AdminState): Promise<void> {
  const children = state.children();
  const texts = await Promise.all(children.map(readMetrics));
  const all = [...texts.filter((one) => one !== null), ownMetrics(children, state.alarms().length)];
  send(response, { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: joinMetrics(all) });
}

async function readMetrics(child: SupervisedChild): Promise<ProcessMetrics | null> {
  const admin = child.listening()?.admin;
  const answer = admin === undefined ? null : await get(`${admin}/metrics`);
  return answer?.status === 200 ? { process: child.spec.name, text: answer.text } : null;
}

function ownMetrics(children: readonly SupervisedChild[], alarms: number): ProcessMetrics {
  const lines = [
    '# HELP hoc_child_up Whether a child process of the supervisor is ready.',
    '# TYPE hoc_child_up gauge',
    ...children.map((child) => `hoc_child_up{child="${child.spec.name}"} ${child.phase() === 'ready' ? 1 : 0}`),
    '# HELP hoc_child_restarts_total Restarts of a child process after a crash.',
    '# TYPE hoc_child_restarts_total counter',
    ...children.map((child) => `hoc_child_restarts_total{child="${child.spec.name}"} ${child.restarts()}`),
    '# HELP hoc_configuration_alarms Configurations that were refused while an earlier one stays in force.',
    '# TYPE hoc_configuration_alarms gauge',
    `hoc_configuration_alarms ${alarms}`,
  ];
  return { process: 'supervisor', text: `${lines.join('\n')}\n` };
}

/** A GET whose failure is an answer too: null says that nothing answered in time. */
async function get(url: string): Promise<{ status: number; text: string } | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerTimeoutMs) });
    return { status: answer.status, text: await answer.text() };
  } catch {
    return null;
  }
}

function send(response: ServerResponse, { status, type, body }: { status: number; type: string; body: string }): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
