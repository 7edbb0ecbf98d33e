import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { type Answer, composeAnswer } from './answer.ts';
import type { Asked } from './asked.ts';
import { deliverStream, deliverWhole } from './deliver.ts';
import { Exchange } from './exchange.ts';
import { type Faults, knownFaults, readFaults } from './faults.ts';
import type { Ledger, OpenEntry } from './ledger.ts';
import { cachesPrompts, models } from './prices.ts';
import { PromptCache } from './prompt-cache.ts';
import { anthropicShape, readPrompt } from './shapes/anthropic.ts';
import { type AskedEmbeddings, readEmbeddings } from './shapes/embeddings.ts';
import { renderModel, renderModels } from './shapes/models.ts';
import { openaiShape } from './shapes/openai.ts';
import type { Shape } from './shapes/shape.ts';
import { choosePace, type Speed } from './timing.ts';

/** A request that is wholly in memory, and the way to answer it. */
export interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  rawHeaders: readonly string[];
  body: Buffer;
  tooLarge: boolean;
  response: ServerResponse;
}

/** Statuses after which waiting helps. */
const retryable: ReadonlySet<number> = new Set([429, 503, 529]);

type Output = Pick<Answer, 'outputTokens' | 'reasoningTokens'>;
const noOutput: Output = { outputTokens: 0, reasoningTokens: 0 };

interface Failure {
  shape: Shape;
  status: number;
  message: string;
}

/** Makes the function that answers every request of the simulated providers, under any path prefix. */
export function createResponder(parts: { ledger: Ledger; speed: Speed }): (received: Received) => Promise<void> {
  const responder = new Responder(parts.ledger, parts.speed);
  return (received) => responder.respond(received);
}

class Responder {
  readonly #ledger: Ledger;
  readonly #speed: Speed;
  readonly #cache = new PromptCache();
  readonly #idPrefix = randomBytes(6).toString('hex');
  #count = 0;

  constructor(ledger: Ledger, speed: Speed) {
    this.#ledger = ledger;
    this.#speed = speed;
  }

  async respond(received: Received): Promise<void> {
    const id = `sim${this.#idPrefix}${(++this.#count).toString(36)}`;
    received.response.setHeader('x-request-id', `req_${id}`);
    const path = (received.url.split('?', 1)[0] ?? '').replace(/\/$/, '');
    const shape = path.includes('/messages') || received.headers['anthropic-version'] ? anthropicShape : openaiShape;
    if (received.tooLarge) return fail(received, { shape, status: 413, message: 'The request is too large.' });
    if (received.method === 'POST') {
      if (path.endsWith('/chat/completions')) return this.#answer(received, openaiShape, id);
      if (path.endsWith('/messages')) return this.#answer(received, anthropicShape, id);
      if (path.endsWith('/messages/count_tokens')) return countOnly(received);
      if (path.endsWith('/embeddings')) return this.#embed(received, id);
    }
    if (received.method === 'GET') {
      const found = /\/models(?:\/([^/]+))?$/.exec(path);
      if (found !== null && found[1] === undefined)
        return send(received, renderModels(models, shape === anthropicShape));
      const model = models.find((name) => name === found?.[1]);
      if (model !== undefined) return send(received, renderModel(model, shape === anthropicShape));
    }
    return fail(received, { shape, status: 404, message: `There is nothing at ${received.method} ${path}.` });
  }

  async #answer(received: Received, shape: Shape, id: string): Promise<void> {
    const asked = shape.readAsked(parseBody(received.body));
    if ('problem' in asked) return fail(received, { shape, status: 400, message: asked.problem });
    const exchange = new Exchange(received.response);
    const faults = await meetFaults(received, { asked, shape, exchange });
    if (faults === null) return;
    const cachedTokens = cachesPrompts(asked.model) ? this.#cache.take(asked.prompt, asked.inputTokens) : 0;
    const answer = composeAnswer(asked, faults, { id: `${shape.idPrefix}${id}`, nowMs: Date.now(), cachedTokens });
    const charged = { id: answer.id, output: answer, cached: cachedTokens, streamed: asked.stream };
    const entry = this.#charge(received, asked, charged);
    exchange.onFlush = () => this.#ledger.note(entry);
    if (faults.resetBilled) {
      entry.produced = answer.outputTokens;
      this.#ledger.note(entry);
      received.response.socket?.resetAndDestroy();
      return;
    }
    const pace = choosePace(asked.prompt, this.#speed, faults);
    const delivery = { exchange, shape, answer, faults, pace, entry };
    return asked.stream ? deliverStream(delivery) : deliverWhole(delivery);
  }

  async #embed(received: Received, id: string): Promise<void> {
    const asked = readEmbeddings(parseBody(received.body));
    if ('problem' in asked) return fail(received, { shape: openaiShape, status: 400, message: asked.problem });
    const exchange = new Exchange(received.response);
    const faults = await meetFaults(received, { asked, shape: openaiShape, exchange });
    if (faults === null) return;
    const entry = this.#charge(received, asked, { id: `embd-${id}`, output: noOutput, cached: 0, streamed: false });
    entry.finished = true;
    send(received, asked.render());
  }

  /** Opens the ledger entry of an answer; it is closed with the connection's answer, however that ends. */
  #charge(
    received: Received,
    asked: Asked | AskedEmbeddings,
    answer: { id: string; output: Output; cached: number; streamed: boolean },
  ): OpenEntry {
    const { response, headers } = received;
    const entry = this.#ledger.open({
      id: answer.id,
      run_id: firstText(headers['x-hoc-run-id'] ?? headers['x-simulator-tag']),
      model: asked.model,
      input_tokens: asked.inputTokens,
      output_tokens: answer.output.outputTokens,
      reasoning_tokens: answer.output.reasoningTokens,
      cached_input_tokens: answer.cached,
      status: 200,
      streamed: answer.streamed,
      at: Date.now(),
    });
    response.once('close', () => {
      entry.finished &&= response.writableFinished;
      // Whoever produces is woken by this same event and still has to say how far it came.
      setImmediate(() => this.#ledger.close(entry));
    });
    return entry;
  }
}

/** Lets go wrong what must before the head; null where there is nothing left to answer. */
async function meetFaults(
  received: Received,
  context: { asked: Asked | AskedEmbeddings; shape: Shape; exchange: Exchange },
): Promise<Faults | null> {
  const { shape, exchange } = context;
  const read = readFaults(`${firstText(received.headers['x-simulator-fault']) ?? ''},${context.asked.faultSuffix}`);
  if ('unknown' in read) {
    fail(received, { shape, status: 400, message: `Unknown fault '${read.unknown}'. Known: ${knownFaults}.` });
    return null;
  }
  const { faults } = read;
  if (faults.delayHeadMs !== undefined) await exchange.wait(faults.delayHeadMs);
  if (exchange.gone) return null;
  if (faults.resetBeforeHead) {
    received.response.socket?.resetAndDestroy();
    return null;
  }
  if (faults.status === undefined) return faults;
  fail(received, { shape, status: faults.status, message: `The simulator was asked to fail with ${faults.status}.` });
  return null;
}

function countOnly(received: Received): void {
  const asked = readPrompt(parseBody(received.body));
  if ('problem' in asked) fail(received, { shape: anthropicShape, status: 400, message: asked.problem });
  else send(received, JSON.stringify({ input_tokens: asked.inputTokens }));
}

function fail(received: Received, failure: Failure): void {
  const { shape, status, message } = failure;
  const requestId = String(received.response.getHeader('x-request-id'));
  const wait = retryable.has(status) ? { 'retry-after': '1' } : {};
  const body = shape.renderError({ status, message, requestId });
  received.response.writeHead(status, { 'content-type': 'application/json', ...wait }).end(body);
}

function send(received: Received, json: string): void {
  received.response.writeHead(200, { 'content-type': 'application/json' }).end(json);
}

function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function firstText(value: string | string[] | undefined): string | null {
  return (Array.isArray(value) ? value[0] : value) ?? null;
}
