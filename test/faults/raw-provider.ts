import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Usage as a provider of OpenAI's wire format reports it; anything may stand in it. */
export type ReportedUsage = Record<string, unknown> | null;

/** A provider that says what it is told to say, and keeps an account of it. */
export interface RawProvider {
  url: string;
  /** Bodies of all requests so far, with their paths, newest last. */
  requests: { path: string; body: string; call: string | null }[];
  close(): void;
}

/**
 * Starts a provider whose chat answers follow the request's header `x-raw`: JSON `{ usage: ReportedUsage[], text?: string }`.
 * A stream reports each usage in an event of its own, a whole answer the last. Any other path answers `{"ok":true}`.
 */
export async function startRawProvider(): Promise<RawProvider> {
  const requests: RawProvider['requests'] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString('utf8');
    const path = request.url ?? '';
    requests.push({ path, body, call: headerOf(request, 'x-simulator-tag') });
    if (path.startsWith('/v1/chat/completions')) answerChat(request, response, body);
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
  });
  server.keepAliveTimeout = 75_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answerChat(request: IncomingMessage, response: ServerResponse, body: string): void {
  const asked = JSON.parse(headerOf(request, 'x-raw') ?? '{"usage":[]}') as { usage: ReportedUsage[]; text?: string };
  const { usage, text = 'Hello there.' } = asked;
  const base = { id: 'chatcmpl-raw', created: 1, model: 'sim-small' };
  if (!/"stream":\s*true/.test(body)) {
    const message = { role: 'assistant', content: text };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    const last = usage.at(-1);
    const whole = { ...base, object: 'chat.completion', choices, ...(usage.length === 0 ? {} : { usage: last }) };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = (fields: object): void => {
    response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...fields })}\n\n`);
  };
  const choice = (delta: object, finish: string | null) => [{ index: 0, delta, finish_reason: finish }];
  event({ choices: choice({ role: 'assistant', content: text }, null) });
  for (const report of usage) event({ choices: choice({ content: '' }, null), usage: report });
  event({ choices: choice({}, 'stop') });
  response.end('data: [DONE]\n\n');
}

function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === 'string' ? value : null;
}
