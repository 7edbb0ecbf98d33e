import t from 'tap';
import { makeCall } from './faults/callers.ts';
import { freezeTarget, killTarget } from './faults/killer.ts';
import { startStage } from './faults/stage.ts';
import { listTargets } from './faults/targets.ts';
import { startInstallation } from './installation.ts';

t.setTimeout(120_000);

const shape = { stream: false, fault: null, maxTokens: 20, leavesAfterMs: null, prompt: 'Hello' };

t.test(
  'several proxies keep one limit, and what one of them recorded is shipped though a later start runs fewer',
  async (t) => {
    const stage = await startStage({
      proxies: 2,
      tenant: `
    limits:
      - { id: rate, kind: requests, ceiling: 5, window: 1h, align: rolling }`,
    });
    t.teardown(() => stage.stop());
    const [first = '', second = ''] = stage.hoc.proxies;
    t.not(first, second);
    const names = listTargets(stage.hoc.data).map(({ name }) => name);
    for (const name of ['proxy', 'proxy-2', 'shipper', 'shipper-2']) t.ok(names.includes(name), name);
    freezeTarget(stage.hoc.data, 'shipper-2');
    const sightings = [];
    for (let nth = 0; nth < 6; nth += 1)
      sightings.push(await makeCall({ proxy: nth % 2 === 0 ? first : second, key: stage.key, call: `c${nth}`, shape }));
    t.same(
      sightings.map(({ status }) => status),
      [200, 200, 200, 200, 200, 429],
    );
    await killTarget(stage.hoc.data, 'supervisor');
    stage.hoc = await startInstallation({ ...stage.input, proxies: 1, data: stage.hoc.data, samePorts: true });
    t.same(stage.hoc.proxies, [first], 'at the address it had');
    const ids = sightings.map(({ runId }) => runId);
    const runs = await stage.hoc.exportRuns((all) => ids.every((id) => all.some((run) => run.run_id === id)));
    t.same(runs.map((run) => run.status).sort(), [
      'blocked',
      'succeeded',
      'succeeded',
      'succeeded',
      'succeeded',
      'succeeded',
    ]);
    const { code, stderr } = await stage.hoc.hoc('start', '--proxies', '0');
    t.equal(code, 2);
    t.match(stderr, /1 to 64/);
  },
);
