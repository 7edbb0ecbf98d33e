import Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import OpenAI from 'openai';
import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect } from './dialect.ts';
import { chatStream, cuts, messageStream, splitAt } from './fixtures/streams.ts';
import { opaque } from './opaque/index.ts';
import { openaiChat } from './openai-chat/index.ts';

const sentence = 'Limit team-a-day: 5.00 USD are used up';
const notice = { code: 'limit_exceeded' as const, status: 429, message: sentence, runId: 'run-1' };
const texts = ['Hel', 'lo ', 'wörld 😀', ' "quoted" \\ \n'];
const lineEnds = ['\n', '\r\n', '\r'];

/** Offsets at which a stream stands between two events, told byte by byte. */
function boundaries(dialect: Dialect, bytes: Buffer): number[] {
  const reader = dialect.openStream('text/event-stream');
  const found = [0];
  for (let at = 0; at < bytes.length; at++) {
    if (reader.push(bytes.subarray(at, at + 1)) >= 0) break;
    if (reader.lastBoundary() === 1) found.push(at + 1);
  }
  return found;
}

function answerWith(body: string): () => Promise<Response> {
  return async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

async function drain(events: AsyncIterable<unknown>): Promise<{ seen: number; error: unknown }> {
  let seen = 0;
  try {
    for await (const _ of events) seen++;
  } catch (error) {
    return { seen, error };
  }
  return { seen, error: null };
}

t.test('the OpenAI SDK raises an APIError for a cut at every boundary, after all events before it', async (t) => {
  for (const lineEnd of lineEnds) {
    const bytes = Buffer.from(chatStream(texts, { lineEnd }));
    for (const at of boundaries(openaiChat, bytes)) {
      const body = bytes.subarray(0, at).toString() + openaiChat.renderCut(notice);
      const openai = new OpenAI({ apiKey: 'k', maxRetries: 0, fetch: answerWith(body) });
      const { seen, error } = await drain(
        await openai.chat.completions.create({ model: 'm', messages: [], stream: true }),
      );
      t.ok(error instanceof OpenAI.APIError, `${JSON.stringify(lineEnd)} at ${at}: ${String(error)}`);
      t.match(String(error), sentence);
      t.equal(Reflect.get(Object(error), 'code'), 'limit_exceeded');
      t.equal(seen, body.split('"choices"').length - 1);
    }
  }
});

t.test('the Anthropic SDK raises an APIError for a cut at every boundary, also through its stream class', async (t) => {
  for (const lineEnd of lineEnds) {
    const bytes = Buffer.from(messageStream(texts, lineEnd));
    for (const at of boundaries(anthropicMessages, bytes)) {
      const body = bytes.subarray(0, at).toString() + anthropicMessages.renderCut(notice);
      const anthropic = new Anthropic({ apiKey: 'k', maxRetries: 0, fetch: answerWith(body) });
      const asked = { model: 'm', max_tokens: 1, messages: [] };
      const { error } = await drain(await anthropic.messages.create({ ...asked, stream: true }));
      t.ok(error instanceof Anthropic.APIError, `${JSON.stringify(lineEnd)} at ${at}: ${String(error)}`);
      t.match(String(error), sentence);
      const failure = await anthropic.messages
        .stream(asked)
        .finalMessage()
        .catch((reason: unknown) => reason);
      t.ok(failure instanceof Anthropic.APIError, String(failure));
    }
  }
});

t.test('the boundary of a chunk is the last one within it, in every chunking', async (t) => {
  const streams: readonly (readonly [Dialect, string])[] = [
    ...lineEnds.map((lineEnd) => [openaiChat, chatStream(texts, { lineEnd })] as const),
    ...lineEnds.map((lineEnd) => [anthropicMessages, messageStream(texts, lineEnd)] as const),
    [openaiChat, `\ufeff: hello\n\n${chatStream(texts)}`],
    [openaiChat, ': ping\n: ping\n\ndata: {}\n: inside\nid: 1\n\nretry: 5\n\ndata: {}\r\n\r\n: open'],
  ];
  for (const [dialect, stream] of streams) {
    const bytes = Buffer.from(stream);
    const found = boundaries(dialect, bytes);
    fc.assert(
      fc.property(cuts(bytes.length), (places) => {
        const reader = dialect.openStream('text/event-stream');
        let before = 0;
        for (const piece of splitAt(bytes, places)) {
          if (reader.push(piece) >= 0) return true;
          const within = found.filter((at) => at >= before && at <= before + piece.length);
          const expected = (within.at(-1) ?? before - 1) - before;
          if (reader.lastBoundary() !== expected) return false;
          before += piece.length;
        }
        return true;
      }),
      { numRuns: 400 },
    );
  }
  t.pass('held');
});

t.test('an answer that is no event stream, and an opaque one, have no boundary', async (t) => {
  const reader = openaiChat.openStream('application/json');
  reader.push(Buffer.from('{"choices":'));
  t.equal(reader.lastBoundary(), -1);
  const unread = opaque.openStream('text/event-stream');
  unread.push(Buffer.from('data: a\n\n'));
  t.equal(unread.lastBoundary(), -1);
  t.equal(opaque.renderCut(notice), null);
});
