import t from 'tap';
import type { LiveState } from '../../storage/schema/live.ts';
import type { Manifest } from '../../storage/schema/snapshot.ts';
import { publishJob } from '../operations/snapshot/announce.ts';
import { readManifest } from '../operations/snapshot/read.ts';
import { refreshJob } from '../operations/snapshot/refresh.ts';
import { launchTestControl } from '../test-control.ts';
import { createHandlers, schedule } from './index.ts';
import { keepSchedule } from './schedule.ts';

const control = await launchTestControl();
t.teardown(() => control.close());
const handlers = createHandlers(control.context, { sequences: async () => [] });

async function run(name: string): Promise<void> {
  const handler = handlers[name];
  if (handler === undefined) throw new Error(`no handler for ${name}`);
  await handler();
}

function liveProxy(id: string): LiveState {
  const nothing = { manifest_id: null, manifest_sequence: null };
  return { proxy_id: id, proxy_epoch: 1, at_ms: 0, ...nothing, running: 0, draining: false };
}

t.test('every scheduled job has a handler', async (t) => {
  for (const job of schedule) t.type(handlers[job.name], 'function', job.name);
});

t.test('a retried announcement names the manifest in force, and fails while Redis is away', async (t) => {
  control.down.redis = true;
  await t.rejects(run(publishJob), /redis is down/);
  control.down.redis = false;
  await run(publishJob);
  t.equal(control.published.at(-1), (await readManifest(control.context)).id);
});

t.test('the manifest follows the number of live proxies, and stays where it is otherwise', async (t) => {
  control.live.push(liveProxy('p1'), liveProxy('p2'), liveProxy('p3'));
  await run(refreshJob);
  const first = JSON.parse((await readManifest(control.context)).manifest) as Manifest;
  t.equal(first.proxies, 3);
  await run(refreshJob);
  const second = JSON.parse((await readManifest(control.context)).manifest) as Manifest;
  t.equal(second.sequence, first.sequence);
  control.live.length = 0;
  await run(refreshJob);
  t.equal(
    (JSON.parse((await readManifest(control.context)).manifest) as Manifest).proxies,
    1,
    'never zero: it divides',
  );
});

t.test('jobs are scheduled again until the queue takes them', async (t) => {
  const taken: string[] = [];
  const end = keepSchedule({ repeat: async (job) => void taken.push(job.name) }, control.context.log);
  while (taken.length < schedule.length) await new Promise((resolve) => setImmediate(resolve));
  t.same(
    taken,
    schedule.map((job) => job.name),
  );
  end();
});
