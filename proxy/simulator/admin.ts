import { createServer } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { Counter, collectDefaultMetrics, Registry } from 'prom-client';
import type { LedgerTotals } from './ledger.ts';
import { sendLedger } from './office.ts';
import type { Simulator } from './server.ts';

/** A running admin address. */
export interface Admin {
  url: string;
  close(): void;
}

/** Serves /metrics, /livez, /readyz and /ledger (as JSON) of the simulator. Port 0 takes any free one. */
export async function startAdmin(listen: { host: string; port: number }, simulator: Simulator): Promise<Admin> {
  const registry = createRegistry(simulator);
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/livez' || path === '/readyz') return void response.writeHead(200).end('ok\n');
    if (path === '/ledger') return sendLedger({ response }, simulator.ledger);
    if (path !== '/metrics') return void response.writeHead(404).end();
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${isIPv6(address) ? `[${address}]` : address}:${port}`, close };
}

function createRegistry(simulator: Simulator): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const count = (name: string, help: string, read: (totals: LedgerTotals) => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read(simulator.ledger.totals()));
      },
    });
  count('hoc_simulator_requests_total', 'Requests received', () => simulator.requests());
  count('hoc_simulator_answers_total', 'Answers in the ledger', (totals) => totals.entries);
  count('hoc_simulator_input_tokens_total', 'Input tokens charged', (totals) => totals.input_tokens);
  count('hoc_simulator_output_tokens_total', 'Output tokens charged', (totals) => totals.produced_output_tokens);
  count('hoc_simulator_charged_nano_usd_total', 'Charged, in nano-USD', (totals) => Number(totals.cost_nano_usd));
  return registry;
}
