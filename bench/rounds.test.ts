import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { BenchChild } from './child.ts';
import type { Contender } from './contenders/contender.ts';
import type { Hoc } from './contenders/hoc.ts';
import type { LoadJob, LoadResult } from './load/job.ts';
import { probeContenders } from './probe.ts';
import { openReport, reportScenario } from './report.ts';
import { runRounds } from './rounds.ts';
import type { Scenario } from './scenarios.ts';

const scenario: Scenario = { name: 'test', about: 'a test', connections: 1, body: '{}' };
const pace = { rounds: 3, seconds: 1, warmUpSeconds: 1, warmUpRequests: 10 };
const peer = (name: Contender['name'], url = `http://${name}`): Contender => ({
  name,
  url,
  headers: {},
  stop: async () => undefined,
});

/** A load that answers at once: ten requests a turn, at a rate that depends on the turn. */
function fakeLoad() {
  const turns: string[] = [];
  const load: BenchChild = {
    pid: 0,
    ready: {},
    stop: async () => undefined,
    ask: async (line) => {
      const { url } = JSON.parse(line) as LoadJob;
      turns.push(new URL(url).hostname);
      const rps = (url.includes('hoc') ? 100 : 200) * turns.length;
      const result: LoadResult = { answered: 10, failed: 0, non2xx: 0, rps, p50Ms: 1, p99Ms: 2 };
      return JSON.stringify(result);
    },
  };
  return { turns, load };
}

/** A hoc that already had five runs and records `share` of those that are sent, using 1 ms of CPU a turn. */
function fakeHoc(turns: readonly string[], share: number): Hoc {
  const sent = () => turns.filter((name) => name === 'hoc').length * 10;
  return {
    ...peer('hoc'),
    readCpu: () => ({ proxy: sent() * 100, shipper: sent() * 20, control: 0 }),
    proxyPid: () => 0,
    countRuns: async () => 5 + sent() * share,
    awaitDrained: async () => undefined,
    awaitRuns: async () => 5 + sent() * share,
  };
}

async function run(share: number, seed: number) {
  const { turns, load } = fakeLoad();
  const hoc = fakeHoc(turns, share);
  const contenders = [peer('direct'), peer('bare'), hoc];
  const rounds = await runRounds({ scenario, contenders, hoc, load, pace, seed, say: () => undefined });
  return { turns, rounds };
}

t.test('every contender has its turn in the warm-up and once in each round', async (t) => {
  const { turns } = await run(1, 1);
  t.equal(turns.length, 12);
  for (let round = 0; round < 4; round += 1) {
    t.same(turns.slice(round * 3, round * 3 + 3).sort(), ['bare', 'direct', 'hoc']);
  }
});

t.test('a seed gives the same order again', async (t) => {
  t.same((await run(1, 7)).turns, (await run(1, 7)).turns);
});

t.test('runs are counted from the start of the scenario, warm-up included; CPU from the rounds alone', async (t) => {
  const { rounds } = await run(1, 1);
  t.equal(rounds.runsSent, 40);
  t.equal(rounds.runsRecorded, 40);
  t.same(rounds.cpuUsPerRun, { proxy: 100, shipper: 20, control: 0 });
});

t.test('runs that were not recorded show as a difference', async (t) => {
  const { rounds } = await run(0.5, 1);
  t.equal(rounds.runsSent, 40);
  t.equal(rounds.runsRecorded, 20);
});

t.test('a report has the median of each contender and the ratio to its peers', async (t) => {
  const { rounds } = await run(1, 1);
  const report = reportScenario(scenario, pace, rounds);
  const rates = rounds.results.get('hoc')?.map(({ rps }) => rps) ?? [];
  t.equal(report.contenders.hoc?.rps, rates.sort((a, b) => a - b)[1]);
  t.ok(report.hoc_to_bare !== null && report.hoc_to_bare > 0);
  t.equal(report.hoc_to_portkey, null);
  t.equal(openReport(3).seed, 3);
});

t.test('a peer that answers a scenario with an error is left out of it and says why', async (t) => {
  const server = createServer((_request, response) => response.writeHead(500).end('broken'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const broken = peer('portkey', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const { able, unable } = await probeContenders(scenario, [broken]);
  t.same(able, []);
  t.same(unable, { portkey: 'answers 500: broken' });
});
