import { randomBytes, randomInt } from 'node:crypto';
import t from 'tap';
import { runKillRounds } from './faults/kill-rounds.ts';
import { createRandom } from './faults/random.ts';
import { removeData, startInstallation, startProcess } from './installation.ts';

const rounds = Number(process.env.HOC_PROOF_ROUNDS ?? 20);
t.setTimeout(rounds * 20_000 + 120_000);
const seed = Number(process.env.HOC_PROOF_SEED ?? randomInt(2 ** 31));

t.test(
  'kill -9 of any process under 200 open calls: one terminal record a run, equal to the ledger or a bounded estimate',
  async (t) => {
    t.comment(`seed ${seed}: HOC_PROOF_SEED repeats this schedule`);
    const key = randomBytes(24).toString('hex');
    const provider = await startProcess('proxy/simulator/main.js', 'runSimulator', {
      HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
      HOC_SIMULATOR_SPEED: 'instant',
    });
    const simulator = provider.listen.simulator ?? '';
    const input = {
      env: { HOC_KEY_APP: key },
      yaml: `
tenants:
  - slug: acme
    providers:
      - { slug: sim, baseUrl: "${simulator}", allowPrivate: true, priceAs: simulator, askUsage: never }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP }
    limits:
      - { id: budget, kind: money, ceilingUsd: "1000", window: 1d, align: calendar }
      - { id: rate, kind: requests, ceiling: 1000000, window: 1h, align: rolling, by: [key] }
`,
    };
    const battered = { hoc: await startInstallation(input), input, simulator, tenant: 'acme', key };
    t.teardown(async () => {
      await battered.hoc.stop();
      await provider.stop();
      removeData(battered.hoc.data);
    });
    const note = (text: string) => t.comment(text);
    const check = await runKillRounds(battered, {
      random: createRandom(seed),
      rounds,
      callers: 200,
      checkEvery: 25,
      note,
    });
    t.comment(
      `${check.runs} runs ${JSON.stringify(check.statuses)}, ${check.equal} equal to the ledger, ${check.estimated} estimated`,
    );
    t.same(check.violations, []);
    t.ok(check.equal > rounds, 'there was load');
  },
);
