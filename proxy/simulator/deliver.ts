import { gzipSync } from 'node:zlib';
import type { Answer } from './answer.ts';
import type { Exchange } from './exchange.ts';
import type { Faults } from './faults.ts';
import type { OpenEntry } from './ledger.ts';
import type { Shape } from './shapes/shape.ts';
import { type Pace, tickMs } from './timing.ts';

/** One answer on its way. */
export interface Delivery {
  exchange: Exchange;
  shape: Shape;
  answer: Answer;
  faults: Faults;
  pace: Pace | null;
  entry: OpenEntry;
}

const gzipHeader = { 'content-encoding': 'gzip' };

/** Sends an answer as a stream of events. Keeps the ledger entry up to date with what was produced. */
export async function deliverStream(delivery: Delivery): Promise<void> {
  const { exchange, shape, answer, faults, entry } = delivery;
  await think(delivery);
  if (exchange.gone) return;
  exchange.response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    ...(faults.gzip ? gzipHeader : {}),
  });
  if (faults.gzip) exchange.compress();
  if (faults.empty) return finish(delivery);
  await exchange.write(shape.renderOpening(answer));
  await sendPieces(delivery);
  if (exchange.gone) return;
  if (faults.cut !== undefined) return exchange.cut();
  await exchange.write(shape.renderClosing(answer));
  if (faults.trailing) await exchange.write('data: {"trailing":true}\n\n: trailing bytes\n\n');
  entry.produced = answer.outputTokens;
  finish(delivery);
}

/** Sends an answer as one JSON body, after the time that a model would have taken for it. */
export async function deliverWhole(delivery: Delivery): Promise<void> {
  const { exchange, shape, answer, faults, pace, entry } = delivery;
  if (faults.endless) return deliverEndless(delivery);
  if (pace !== null) {
    const tokenMs = 1000 / pace.tokensPerSecond;
    await exchange.wait(pace.firstTokenMs + answer.outputTokens * tokenMs);
    const madeMs = exchange.elapsedMs() - pace.firstTokenMs;
    if (exchange.gone) entry.produced = Math.max(0, Math.min(answer.outputTokens, Math.floor(madeMs / tokenMs)));
  }
  if (exchange.gone) return;
  entry.produced = faults.empty ? 0 : answer.outputTokens;
  exchange.onFlush?.();
  await sendWhole(delivery, faults.empty ? '' : shape.renderWhole(answer));
}

async function sendWhole(delivery: Delivery, json: string): Promise<void> {
  const { exchange, faults, answer } = delivery;
  const text = faults.malformed ? json.slice(0, -1) : json;
  const body = faults.gzip ? gzipSync(text) : Buffer.from(text);
  exchange.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...(faults.gzip ? gzipHeader : {}),
  });
  const half = Math.floor(body.length * (faults.cut ?? 0.5));
  if (faults.cut !== undefined) {
    delivery.entry.produced = Math.floor(answer.outputTokens * faults.cut);
    exchange.response.write(body.subarray(0, half));
    return exchange.cut();
  }
  if (faults.hangMs !== undefined) {
    exchange.response.write(body.subarray(0, half));
    await exchange.wait(faults.hangMs);
    if (exchange.gone) return;
  }
  delivery.entry.finished = true;
  const { socket } = exchange.response;
  exchange.response.end(faults.hangMs === undefined ? body : body.subarray(half));
  if (faults.trailing) exchange.response.once('finish', () => socket?.end('trailing bytes'));
}

async function sendPieces(delivery: Delivery): Promise<void> {
  const { exchange, shape, answer, faults, entry } = delivery;
  const render = shape.preparePiece(answer);
  const count = answer.pieces.length;
  const total = faults.endless ? Number.POSITIVE_INFINITY : Math.floor(count * (faults.cut ?? 1));
  const middle = Math.floor(count / 2);
  for (let sent = 0; sent < total && !exchange.gone; ) {
    let until = Math.min(total, countDue(delivery, sent));
    if (sent <= middle && until > middle) {
      if (sent === middle) await interrupt(delivery);
      else until = middle;
    }
    for (; sent < until && !exchange.gone; sent++) {
      const piece = answer.pieces[sent % count] ?? '';
      // Before it is written: what has left is never more than what the ledger has.
      entry.produced = answer.reasoningTokens + countShown(delivery, sent + 1);
      for (let choice = 0; choice < answer.choices; choice++) await exchange.write(render(piece, choice, sent));
    }
    if (delivery.pace === null) continue;
    await exchange.flush();
    if (sent < total) await exchange.wait(tickMs);
  }
}

/** Tokens of that many pieces, of all choices together. */
function countShown({ answer, faults }: Delivery, pieces: number): number {
  return faults.endless ? pieces : Math.round((answer.shownTokens * pieces) / answer.pieces.length);
}

/** The time to the first token, and then that of the tokens which are not shown. */
async function think({ exchange, answer, pace, entry }: Delivery): Promise<void> {
  if (pace !== null) {
    await exchange.wait(pace.firstTokenMs);
    const startedMs = exchange.elapsedMs();
    const tokenMs = 1000 / pace.tokensPerSecond;
    await exchange.wait(answer.reasoningTokens * tokenMs);
    if (exchange.gone) {
      const thought = Math.floor((exchange.elapsedMs() - startedMs) / tokenMs);
      entry.produced = Math.min(answer.reasoningTokens, thought);
    }
  }
  if (!exchange.gone) entry.produced = answer.reasoningTokens;
}

/** How many pieces should have been sent by now: one at least where the clock says none. */
function countDue(delivery: Delivery, sent: number): number {
  const { pace, exchange } = delivery;
  if (pace === null) return Number.POSITIVE_INFINITY;
  const thinkingMs = (delivery.answer.reasoningTokens * 1000) / pace.tokensPerSecond;
  const writingMs = exchange.elapsedMs() - pace.firstTokenMs - thinkingMs;
  return Math.max(sent, Math.floor((writingMs * pace.tokensPerSecond) / 1000) + 1);
}

/** What goes wrong in the middle of a stream. */
async function interrupt(delivery: Delivery): Promise<void> {
  const { exchange, faults } = delivery;
  if (faults.malformed) await exchange.write('data: {"broken":\n\n');
  if (faults.hangMs === undefined) return;
  await exchange.flush();
  await exchange.wait(faults.hangMs);
}

async function deliverEndless(delivery: Delivery): Promise<void> {
  const { exchange } = delivery;
  exchange.response.writeHead(200, { 'content-type': 'application/json' });
  await exchange.write('{"endless":"');
  await sendPieces({ ...delivery, shape: { ...delivery.shape, preparePiece: () => (piece) => piece } });
}

function finish({ exchange, entry }: Delivery): void {
  entry.finished = true;
  exchange.end();
}
