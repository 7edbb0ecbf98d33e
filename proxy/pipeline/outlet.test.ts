import fc from 'fast-check';
import t from 'tap';
import { recognizeDialect } from '../dialects/index.ts';
import type { CallerAnswer } from './call.ts';
import { Inflow, Valve } from './inflow.ts';
import { openObservation } from './observe.ts';
import { Outlet } from './outlet.ts';
import { chatEnd, chatEvent } from './test-world.ts';

const route = { method: 'POST', path: '/v1/chat/completions' };
const dialect = recognizeDialect({ route, body: { model: 'm', messages: [] }, allowed: 'auto' });
const head = { status: 200, statusText: 'OK', headers: ['content-type', 'text/event-stream'] };
const events = [chatEvent('one'), ': a comment\n\n', chatEvent('zwei ü 😀'), chatEvent('three')];
const body = Buffer.from(events.join('') + chatEnd({ prompt_tokens: 1, completion_tokens: 2 }));

function openCaller() {
  const chunks: Uint8Array[] = [];
  let isDestroyed = false;
  const caller: CallerAnswer = {
    get destroyed() {
      return isDestroyed;
    },
    writeHead: () => undefined,
    write(chunk) {
      chunks.push(chunk);
      return true;
    },
    end(chunk) {
      if (chunk !== undefined) chunks.push(Buffer.from(chunk as Uint8Array));
    },
    once: () => undefined,
    destroy() {
      isDestroyed = true;
    },
  };
  return { caller, text: () => Buffer.concat(chunks).toString() };
}

/** Feeds the body in these pieces through reader and outlet; `cutAfter` ends it behind that many of them. */
function relay(cuts: readonly number[], cutAfter: number | null): { text: string; destroyed: boolean } {
  const { caller, text } = openCaller();
  const outlet = new Outlet(caller, new Valve(() => null));
  const observation = openObservation({ dialect, head, salt: '00'.repeat(16), maxBytes: 1_000_000 });
  outlet.begin({ filter: null, cuttable: true, holdsAll: false, isRead: false });
  const edges = [0, ...[...new Set(cuts)].sort((a, b) => a - b), body.length];
  for (const [index, from] of edges.slice(0, -1).entries()) {
    if (index === cutAfter) break;
    const bytes = body.subarray(from, edges[index + 1]);
    observation.push(bytes, (heldFrom) =>
      outlet.pass({ bytes, heldFrom, boundary: observation.lastBoundary(), decoded: null }),
    );
  }
  if (cutAfter === null) outlet.release(true);
  else outlet.cut('CUT');
  return { text: text(), destroyed: caller.destroyed };
}

const anyCuts = fc.array(fc.integer({ min: 1, max: body.length - 1 }), { maxLength: 40 });

t.test('every split of a stream that may be cut gives the caller the same bytes', async () => {
  fc.assert(fc.property(anyCuts, (cuts) => relay(cuts, null).text === body.toString()));
});

t.test('a cut falls between two events, whatever the split and wherever it comes', async () => {
  const prefixes = events.map((_, index) => events.slice(0, index).join(''));
  prefixes.push(events.join(''), events.join('') + chatEnd(null).replace('data: [DONE]\n\n', ''));
  fc.assert(
    fc.property(anyCuts, fc.nat(41), (cuts, at) => {
      const { text, destroyed } = relay(cuts, at);
      const released = text.replace(/CUT$/, '');
      const isWhole = released === '' || released.endsWith('\n\n');
      return !destroyed && text.endsWith('CUT') && isWhole && body.toString().startsWith(released);
    }),
  );
});

t.test('an event too long to be kept back passes as it comes, and a cut inside it breaks off', async (t) => {
  const { caller, text } = openCaller();
  const outlet = new Outlet(caller, new Valve(() => null));
  outlet.begin({ filter: null, cuttable: true, holdsAll: false, isRead: false });
  const long = Buffer.alloc(40_000, 'x');
  outlet.pass({ bytes: long, heldFrom: long.length, boundary: 0, decoded: null });
  t.equal(text().length, 0);
  outlet.pass({ bytes: long, heldFrom: long.length, boundary: -1, decoded: null });
  t.equal(text().length, 80_000);
  outlet.cut('CUT');
  t.ok(caller.destroyed);
  t.equal(text().length, 80_000);
});

t.test('pieces are taken one after the other, also where one is late, and the end comes behind them all', async (t) => {
  const taken: string[] = [];
  const late: (() => void)[] = [];
  const inflow = new Inflow((piece, done) => {
    taken.push(piece.toString());
    if (piece.toString() === 'cd') late.push(done);
    else done();
  });
  inflow.push(Buffer.from('abcdef'), 2);
  inflow.whenThrough(() => taken.push('end'));
  inflow.push(Buffer.from('gh'), Number.POSITIVE_INFINITY);
  t.same(taken, ['ab', 'cd']);
  t.equal(inflow.waitingBytes, 4);
  late[0]?.();
  t.same(taken, ['ab', 'cd', 'ef', 'gh', 'end']);
});

t.test('a piece that lets more come while it is taken is followed by it, and by the end', async (t) => {
  const taken: string[] = [];
  const inflow: Inflow = new Inflow((piece, done) => {
    taken.push(piece.toString());
    if (piece.toString() === 'first') {
      inflow.push(Buffer.from('second'), Number.POSITIVE_INFINITY);
      inflow.whenThrough(() => taken.push('end'));
    }
    done();
  });
  inflow.push(Buffer.from('first'), Number.POSITIVE_INFINITY);
  t.same(taken, ['first', 'second', 'end']);
});
