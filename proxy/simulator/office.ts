import { Readable } from 'node:stream';
import { knownFaults } from './faults.ts';
import type { Ledger } from './ledger.ts';
import { models } from './prices.ts';
import type { RequestLog } from './request-log.ts';
import type { Received } from './responder.ts';

const batchEntries = 1000;
const guide = {
  models,
  faults: `${knownFaults}, as header x-simulator-fault or model suffix +fault=`,
  routes: [
    'POST /v1/chat/completions',
    'POST /v1/embeddings',
    'GET /v1/models',
    'POST /v1/messages',
    'POST /v1/messages/count_tokens',
    'GET /simulator/ledger',
    'GET /simulator/totals',
    'POST /simulator/ledger/reset',
    'GET /simulator/requests?last=10',
  ],
};

/**
 * Answers the routes of the simulator's own office: its ledger and the requests it saw. False, having done nothing, for
 * any other path. These requests are neither logged nor charged.
 */
export function answerOffice(received: Received, office: { ledger: Ledger; log: RequestLog }): boolean {
  if (received.url !== '/simulator' && !received.url.startsWith('/simulator/')) return false;
  const { pathname, searchParams } = new URL(received.url, 'http://simulator');
  const route = `${received.method} ${pathname}`;
  if (route === 'GET /simulator/ledger') sendLedger(received, office.ledger);
  else if (route === 'GET /simulator/totals') sendJson(received, 200, office.ledger.totals());
  else if (route === 'GET /simulator/requests') {
    sendJson(received, 200, office.log.tell(Number(searchParams.get('last') ?? '10') || 1));
  } else if (route === 'POST /simulator/ledger/reset') {
    office.ledger.reset();
    office.log.reset();
    sendJson(received, 200, { reset: true });
  } else sendJson(received, route === 'GET /simulator' ? 200 : 404, guide);
  return true;
}

function sendJson(received: Received, status: number, body: object): void {
  received.response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Sends the whole ledger as `{ entries, totals }`, in parts. */
export function sendLedger({ response }: Pick<Received, 'response'>, ledger: Ledger): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  Readable.from(tellLedger(ledger)).pipe(response);
}

function* tellLedger(ledger: Ledger): Iterable<string> {
  yield '{"entries":[';
  let batch: string[] = [];
  let comma = '';
  for (const text of ledger.texts()) {
    batch.push(text);
    if (batch.length < batchEntries) continue;
    yield comma + batch.join(',');
    comma = ',';
    batch = [];
  }
  if (batch.length > 0) yield comma + batch.join(',');
  yield `],"totals":${JSON.stringify(ledger.totals())}}\n`;
}
