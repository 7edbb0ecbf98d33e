import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findOrdinaryUser, makeScratch } from './test-start.ts';

const asOther = findOrdinaryUser();
const scratch = makeScratch(asOther);
t.teardown(() => scratch.remove());
// Three starts of everything.
t.setTimeout(120_000);

const file = join(scratch.data, 'given.yaml');
const good = 'tenants: [{ slug: acme, keys: [{ name: app, secretEnv: HOC_KEY_APP }] }]\n';
const env = { HOC_KEY_APP: 'a-secret-of-more-than-thirty-two-characters' };

t.test(
  'a bad file stops a first start with its findings, but never a later one (as an ordinary user, 0700)',
  async (t) => {
    writeFileSync(file, 'tenants:\n  - slug: "Not A Slug"\n');
    const refused = await scratch.start(['--config', file], env).ended;
    t.equal(refused.code, 2);
    t.match(JSON.parse(refused.stderr.trim().split('\n').at(-1) ?? ''), {
      error: { findings: [{ line: 2, field: 'tenants[0].slug' }] },
    });

    writeFileSync(file, good);
    const first = scratch.start(['--config', file], env);
    await first.ready;
    const folder = scratch.runFile().postgres;
    if (asOther !== undefined)
      t.equal(folder, join(scratch.data, 'postgres'), 'an ordinary user keeps all data in the folder');
    t.notOk(
      scratch.children().some((child) => child.name === 'simulator'),
      'no provider simulator, no simulator',
    );
    first.process.kill('SIGINT');
    t.equal((await first.ended).code, 0);

    writeFileSync(file, 'tenants: [{ slug: acme }\n');
    const second = scratch.start(['--config', file], env);
    await second.ready;
    const { admin } = scratch.runFile();
    const readiness = await fetch(`${admin}/readyz`);
    t.equal(readiness.status, 200);
    t.match(await readiness.json(), { ready: true, alarms: [{ message: /last good one stays in force/ }] });
    t.match(await (await fetch(`${admin}/metrics`)).text(), /hoc_configuration_alarms\{process="supervisor"\} 1/);
    second.process.kill('SIGTERM');
    const ended = await second.ended;
    t.equal(ended.code, 0);
    t.match(ended.stderr, /last good one stays in force/);
  },
);
