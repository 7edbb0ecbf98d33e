import fc from 'fast-check';
import t from 'tap';
import { cuts, splitAt } from './fixtures/streams.ts';
import { maxEventBytes, SseScanner } from './sse.ts';

interface Seen {
  events: string[];
  passedOver: number;
  /** Offset from which bytes waited at the end, or -1. */
  held: number;
  /** Data of the terminal event, once it was complete. */
  ended: string | null;
  unclear: boolean;
}

function scan(pieces: readonly Uint8Array[]): Seen {
  const seen: Seen = { events: [], passedOver: 0, held: -1, ended: null, unclear: false };
  const scanner = new SseScanner({
    event: (name, data) => seen.events.push(`${name}|${Buffer.from(data, 'latin1').toString('utf8')}`),
    passedOver: (bytes) => {
      seen.passedOver += bytes;
    },
    endsStream: (line) => line === 'data: END',
    ended: (_name, data) => {
      seen.ended = data;
    },
    unclear: () => {
      seen.unclear = true;
    },
  });
  let before = 0;
  for (const piece of pieces) {
    const at = scanner.push(piece);
    if (at < 0) seen.held = -1;
    else if (seen.held < 0 || at > 0) seen.held = before + at;
    before += piece.length;
  }
  scanner.end();
  return seen;
}

const table: readonly { title: string; stream: string; events: readonly string[] }[] = [
  { title: 'LF lines', stream: 'data: a\n\ndata: b\n\n', events: ['|a', '|b'] },
  { title: 'CRLF lines', stream: 'data: a\r\n\r\ndata: b\r\n\r\n', events: ['|a', '|b'] },
  { title: 'lone CR lines', stream: 'data: a\r\rdata: b\r\r', events: ['|a', '|b'] },
  { title: 'mixed line ends', stream: 'data: a\r\n\ndata: b\n\r\ndata: c\r\r\n', events: ['|a', '|b', '|c'] },
  { title: 'data without a space', stream: 'data:a\n\n', events: ['|a'] },
  { title: 'only one space taken', stream: 'data:  a\n\n', events: ['| a'] },
  { title: 'a byte order mark', stream: '\ufeffdata: a\n\n', events: ['|a'] },
  { title: 'comments', stream: ': hello\ndata: a\n:\n\n: ping\n\n', events: ['|a'] },
  { title: 'data on several lines', stream: 'data: a\ndata: b\ndata\n\n', events: ['|a\nb\n'] },
  { title: 'event names', stream: 'event: x\ndata: a\n\ndata: b\n\n', events: ['x|a', '|b'] },
  { title: 'unknown fields', stream: 'id: 1\nretry: 5\ndatabase: no\nevents: no\ndata: a\n\n', events: ['|a'] },
  { title: 'events without data', stream: 'event: x\n\n\n\ndata: a\n\n', events: ['|a'] },
  { title: 'an unfinished last event', stream: 'data: a\n\ndata: b', events: ['|a', '|b'] },
  { title: 'characters of several bytes', stream: 'data: é€😀\n\n', events: ['|é€😀'] },
  { title: 'nothing', stream: '', events: [] },
];

t.test('every form of the event stream format is read, in every chunking', async (t) => {
  for (const { title, stream, events } of table) {
    const bytes = Buffer.from(stream);
    t.strictSame(scan([bytes]).events, events, title);
    fc.assert(
      fc.property(cuts(Math.max(2, bytes.length)), (places) => {
        const pieces = splitAt(
          bytes,
          places.filter((place) => place < bytes.length),
        );
        return JSON.stringify(scan(pieces).events) === JSON.stringify(events);
      }),
      { numRuns: 60 },
    );
  }
});

t.test('bytes are held from the first line of the terminal event on', async (t) => {
  const held = (stream: string) => scan([Buffer.from(stream)]).held;
  t.equal(held('data: a\n\ndata: END\n\n'), 9);
  t.equal(held('data: a\n\nid: 7\ndata: END\n\n'), 9, 'its other fields belong to it');
  t.equal(held('data: a\n\n: ping\ndata: END\n\n'), 16, 'a comment before it does not');
  t.equal(held('data: a\ndata: END\n\n'), 8, 'an event without its blank line does not');
  t.equal(held('data: ENDLESS\n\n'), -1);
  t.equal(held('\ufeffdata: END'), 0);
  t.strictSame(scan([Buffer.from('data: a\ndata: END\n\n')]).events, ['|a'], 'and that event is read');
});

t.test('the byte that completes the terminal marker is held in every chunking', async (t) => {
  const bytes = Buffer.from('event: x\r\ndata: é\r\n\r\ndata: END\r\n\r\n');
  const start = bytes.indexOf('data: END');
  fc.assert(
    fc.property(cuts(bytes.length), (places) => {
      const { held } = scan(splitAt(bytes, places));
      return held >= start && held <= start + 'data: END'.length - 1;
    }),
  );
  t.pass('holds for every sample');
});

t.test(
  'a line that only looks like the terminal one is torn nowhere: what waited goes, and the stream goes on',
  async (t) => {
    const bytes = Buffer.from('data: a\n\ndata: ENDLESS\n\ndata: b\n\ndata: END\ndata: more\n\n');
    const place = bytes.lastIndexOf('data: END\n');
    for (let at = 1; at < bytes.length; at++) {
      for (const pieces of [splitAt(bytes, [at]), splitAt(bytes, [at, Math.min(bytes.length - 1, at + 1)])]) {
        const { events, held, ended } = scan(pieces);
        t.strictSame([events, ended], [['|a', '|ENDLESS', '|b'], 'END\nmore'], `cut at ${at}`);
        t.ok(held >= place && held < place + 'data: END'.length, `held from ${held}, cut at ${at}`);
      }
    }
    const scanner = new SseScanner({
      ...{ event: () => undefined, passedOver: () => undefined, ended: () => undefined, unclear: () => undefined },
      endsStream: (line) => line === 'data: END',
    });
    t.equal(scanner.push(Buffer.from('data: END')), 0, 'it waits');
    t.equal(scanner.ended, false);
    t.equal(scanner.push(Buffer.from('LESS')), -1, 'and goes');
    t.equal(scanner.push(Buffer.from('\n\ndata: END')), 2);
    t.equal(scanner.push(Buffer.from('\r')), 0);
    t.strictSame([scanner.ended, scanner.complete], [true, false]);
    t.equal(scanner.push(Buffer.from('\n\r')), 0);
    t.strictSame([scanner.ended, scanner.complete], [true, true]);
  },
);

t.test('what is no field, or too long, is told as unclear, and nothing else is', async (t) => {
  const isUnclear = (...pieces: string[]) => scan(pieces.map((piece) => Buffer.from(piece))).unclear;
  for (const stream of ['{"a":1}\n', 'database: no\n', 'eventful\n', ' data: a\n', 'idle: a\n', 'x'])
    t.equal(isUnclear(stream), true, stream);
  const clear = ': a\nid\nid: 1\nretry: 5\nevent: x\ndata: a\ndata\n\n\r\r\ndata: END\n\n\n: bye\ndata: a\nx\n';
  t.equal(isUnclear(clear), false);
  t.equal(isUnclear(...clear), false);
  let [told, unclear] = [-1, false];
  const scanner = new SseScanner({
    ...{ event: () => undefined, passedOver: () => undefined, ended: () => undefined, endsStream: () => false },
    unclear: () => {
      unclear = true;
    },
  });
  scanner.push(Buffer.from('data: '));
  for (let sent = 0; told < 0; sent += 1024) {
    scanner.push(Buffer.alloc(1024, 0x61));
    if (unclear) told = sent;
  }
  t.ok(told < maxEventBytes + 2048, 'before the event ends');
});

t.test('an event of 100 MB passes by in bounded memory and the next one is read', async (t) => {
  const chunk = Buffer.alloc(64 * 1024, 0x61);
  const seen: string[] = [];
  let passedOver = 0;
  const scanner = new SseScanner({
    event: (_name, data) => seen.push(data),
    passedOver: (bytes) => {
      passedOver += bytes;
    },
    endsStream: () => false,
    ended: () => undefined,
    unclear: () => undefined,
  });
  scanner.push(Buffer.from('data: '));
  let peak = 0;
  const start = process.memoryUsage().rss;
  for (let sent = 0; sent < 1600; sent++) {
    scanner.push(chunk);
    if (sent % 100 === 0) peak = Math.max(peak, process.memoryUsage().rss - start);
  }
  scanner.push(Buffer.from('\n\ndata: next\n\n'));
  t.strictSame(seen, ['next']);
  t.ok(passedOver >= 1600 * chunk.length, 'its bytes are told');
  t.ok(peak < 80 * 1024 * 1024, `memory grew by ${peak} bytes`);
});

t.test('an event of many short lines is bounded as well', async (t) => {
  const line = Buffer.from(`data: ${'b'.repeat(1000)}\n`);
  const seen = scan([...Array.from({ length: 2000 }, () => line), Buffer.from('\ndata: next\n\n')]);
  t.strictSame(seen.events, ['|next']);
  t.ok(seen.passedOver > maxEventBytes);
});
