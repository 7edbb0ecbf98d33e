import t from 'tap';
import { chatAnswer, idOf, limit, openWorld, poll, type World } from './test-world.ts';

const secondMs = 1_000;
const startMs = Date.now();
let nowMs = startMs;
let world: World;
t.before(async () => {
  world = await openWorld({ nowMs: () => nowMs });
  t.teardown(() => world.close());
  world.provide((_, response) => response.end(chatAnswer('hi', null)));
});

/** A limit of that many requests, for which `other` holds from one second to two seconds after the start. */
function overridden(id: string, own: string, other: string) {
  const override = {
    id: 'o',
    ceiling: other,
    from_ms: startMs + secondMs,
    until_ms: startMs + 2 * secondMs,
    reason: 'x',
  };
  return limit({ id, kind: 'requests', ceiling: own, overrides: [override] });
}

const whole = JSON.stringify({ model: 'sim-1', messages: [{ role: 'user', content: 'hello' }] });

/** A request whose first half arrives at one instant and whose second half at another, seconds after the start. */
async function send(begins: number, ends: number): Promise<Response> {
  nowMs = startMs + begins * secondMs;
  const started = world.told.get('started') ?? 0;
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(Buffer.from(whole.slice(0, 20)));
      await poll(() => ((world.told.get('started') ?? 0) > started ? true : null), 'the run to begin');
      nowMs = startMs + ends * secondMs;
      controller.enqueue(Buffer.from(whole.slice(20)));
      controller.close();
    },
  });
  const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' };
  return fetch(`${world.url}/sim/v1/chat/completions`, {
    method: 'POST',
    headers,
    body,
    duplex: 'half',
  } as RequestInit);
}

for (const { what, own = '1', other, begins, ends, status, ceiling } of [
  { what: 'begins while the body is read is in force', other: '2', begins: 0.5, ends: 1.5, status: 200, ceiling: '2' },
  { what: 'ends while the body is read is over', other: '2', begins: 1.5, ends: 2.5, status: 429, ceiling: '1' },
  {
    what: 'lowers the ceiling while the body is read binds',
    own: '2',
    other: '1',
    begins: 0.5,
    ends: 1.5,
    status: 429,
    ceiling: '1',
  },
  { what: 'is in force all the while holds', other: '2', begins: 1.2, ends: 1.8, status: 200, ceiling: '2' },
]) {
  t.test(`an override that ${what}: the instant of reserving decides`, async (t) => {
    const id = `l${begins}-${ends}-${own}`;
    await world.setLimits([overridden(id, own, other)]);
    const first = await send(0.1, 0.1);
    t.equal(first.status, 200, 'the one request of the limit itself');
    await first.text();
    const slow = await send(begins, ends);
    t.equal(slow.status, status);
    await slow.text();
    t.match(await world.finishOf(idOf(slow)), { limits: [{ id, ceiling }] });
  });
}
