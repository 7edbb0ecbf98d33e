import t, { type Test } from 'tap';
import { connectRedis, createLease } from '../../storage/redis/index.ts';
import { type RedisServer, startRedisServer } from '../../storage/redis/test-server.ts';
import { keepLease, type LeaseKeeper, type LeaseState } from './lease-keeper.ts';

const ttlMs = 600;

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A proxy of the name `p` on a host of its own. `sleep` is what a stopped process does: it renews nothing. */
function openHost(test: Test, server: RedisServer, holder: string) {
  const redis = connectRedis(server.url);
  const lease = createLease(redis, { name: 'proxy:p', ttlMs, holder });
  const lost: LeaseState[] = [];
  let asleep = false;
  let keeper: LeaseKeeper | null = null;
  const renew = async () => (asleep ? Promise.reject(new Error('asleep')) : lease.renew());
  test.teardown(async () => {
    await keeper?.stop();
    redis.disconnect();
  });
  return {
    lost,
    sleep: (is: boolean) => {
      asleep = is;
    },
    readHolder: lease.readHolder,
    async start(waitMs = ttlMs + 200) {
      const onLost = (state: LeaseState) => void lost.push(state);
      keeper = await keepLease({ lease: { ...lease, renew }, proxyId: 'p', waitMs, renewEveryMs: 100, onLost });
      return keeper;
    },
  };
}

t.test('with a real Redis', async (t) => {
  const server = await startRedisServer();
  t.teardown(() => server.stop());

  t.test('a second host with the same proxy id is refused, for as long as the first one lives', async (t) => {
    const [first, second] = [openHost(t, server, 'spool-1'), openHost(t, server, 'spool-2')];
    const keeper = await first.start();
    t.equal(keeper.state(), 'held');
    await t.rejects(second.start(1500), { code: 'conflict', message: /HOC_PROXY_ID/ });
    t.same([keeper.state(), first.lost], ['held', []]);
    await keeper.stop();
    t.equal((await second.start(0)).state(), 'held', 'what is given up can be taken at once');
  });

  t.test('the same spool starts again at once, and another one after a dead host’s lease has run out', async (t) => {
    const [first, again, other] = ['a', 'a', 'b'].map((holder) => openHost(t, server, holder));
    await first?.start();
    first?.sleep(true);
    const beganAt = performance.now();
    await again?.start(0);
    t.ok(performance.now() - beganAt < ttlMs, 'the same identity waits for nobody');
    again?.sleep(true);
    t.equal((await other?.start())?.state(), 'held');
  });

  t.test('a host that slept finds its lease gone, says so once, and takes it again', async (t) => {
    const host = openHost(t, server, 'sleeper');
    const keeper = await host.start();
    host.sleep(true);
    const deadline = performance.now() + 5000;
    while ((await host.readHolder()) !== null && performance.now() < deadline) await new Promise(setImmediate);
    t.same(host.lost, []);
    host.sleep(false);
    await until('it is held again', () => keeper.state() === 'held');
    t.same(host.lost, ['held']);
  });

  t.test('one that wakes while another has taken its id knows that it has not', async (t) => {
    const [sleeper, other] = [openHost(t, server, 's'), openHost(t, server, 'o')];
    const keeper = await sleeper.start();
    sleeper.sleep(true);
    await other.start();
    sleeper.sleep(false);
    await until('it knows', () => keeper.state() === 'taken');
    t.same(sleeper.lost, ['taken']);
  });
});

t.test('a Redis that does not answer stops no start, and the lease is taken when it does', async (t) => {
  const server = await startRedisServer();
  t.teardown(() => server.stop());
  server.signal('SIGSTOP');
  const host = openHost(t, server, 'early');
  const keeper = await host.start();
  t.equal(keeper.state(), 'unknown');
  server.signal('SIGCONT');
  await until('it is held', () => keeper.state() === 'held');
  t.same(host.lost, [], 'what was never held was not lost');
});
