import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { type Inspection, type InspectionJob, idleJob, inspectTexts } from '../../policy/detectors/index.ts';
import { createInspector, type InspectorOptions } from './threads.ts';

const dir = mkdtempSync(join(tmpdir(), 'hoc-inspector-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

/** A thread that does as it is told: it answers late, dies, never answers, or fails. */
const obedient = join(dir, 'obedient.mjs');
writeFileSync(
  obedient,
  `import { parentPort } from 'node:worker_threads';
   parentPort.on('message', ({ how, name, ms }) => {
     if (how === 'die') process.exit(1);
     if (how === 'throw') throw new Error('thrown, says the test');
     if (how === 'fail') parentPort.postMessage({ failure: 'failed, says the test' });
     if (how === 'answer') setTimeout(() => parentPort.postMessage({ inspection: name }), ms ?? 0);
   });`,
);

interface Order {
  how: 'answer' | 'die' | 'throw' | 'fail' | 'hang';
  name?: string;
  ms?: number;
}

function open(test: { teardown(fn: () => unknown): void }, part: Partial<InspectorOptions> = {}) {
  const options = { entry: pathToFileURL(obedient), threads: 1, mostWaiting: 100, timeoutMs: 10_000, ...part };
  const inspector = createInspector<Order, string>(options);
  test.teardown(() => inspector.close());
  return inspector;
}

t.test('a thread finds what the same job finds here', async (t) => {
  const entry = new URL('./main.js', import.meta.url);
  const inspector = createInspector<InspectionJob, Inspection>({
    entry,
    threads: 1,
    mostWaiting: 9,
    timeoutMs: 60_000,
  });
  t.teardown(() => inspector.close());
  const text = `${'words and words '.repeat(9_000)} jane@example.com`;
  const job: InspectionJob = {
    ...idleJob,
    ...{ texts: [text], detectors: ['email', 'phone'], tools: { names: ['run_shell'], argumentTexts: [] } },
    contents: [{ text, tests: [{ test: 'matches', pattern: 'jane' }] }],
    bodies: [{ text, detectors: ['email'] }],
  };
  t.strictSame(await inspector.inspect('acme', job), inspectTexts(job));
});

t.test('owners take turns, whatever the first has waiting', async (t) => {
  const inspector = open(t);
  const order: string[] = [];
  const ask = (owner: string, name: string) =>
    inspector.inspect(owner, { how: 'answer', name, ms: 5 }).then((answer) => order.push(answer));
  const flood = Array.from({ length: 6 }, (_, index) => ask('flood', `flood ${index}`));
  await Promise.all([...flood, ask('other', 'other 0'), ask('other', 'other 1'), ask('third', 'third 0')]);
  t.same(order, [
    ...['flood 0', 'flood 1', 'other 0', 'third 0', 'flood 2', 'other 1', 'flood 3', 'flood 4', 'flood 5'],
  ]);
});

t.test('an owner who has too many waiting is refused, others are not', async (t) => {
  const inspector = open(t, { mostWaiting: 2 });
  const ask = (owner: string) => inspector.inspect(owner, { how: 'answer', name: owner, ms: 20 });
  const taken = [ask('flood'), ask('flood'), ask('flood')];
  await t.rejects(ask('flood'), { message: 'too much waits for the inspector' });
  t.equal(await ask('other'), 'other');
  t.same(await Promise.all(taken), ['flood', 'flood', 'flood']);
});

t.test('a thread that dies, throws or fails takes its own job with it and no other', async (t) => {
  const inspector = open(t);
  for (const how of ['die', 'throw', 'fail'] as const) {
    const lost = inspector.inspect('a', { how });
    const next = inspector.inspect('a', { how: 'answer', name: 'next' });
    await t.rejects(lost);
    t.equal(await next, 'next');
  }
});

t.test('a job that takes too long is given up, and what waits behind it is done', async (t) => {
  const inspector = open(t, { timeoutMs: 300 });
  const hanging = inspector.inspect('a', { how: 'hang' });
  await t.rejects(hanging, { message: 'the inspector took too long' });
  t.equal(await inspector.inspect('a', { how: 'answer', name: 'after' }), 'after');
});

t.test('a job that waits too long is given up like one that takes too long', async (t) => {
  const inspector = open(t, { timeoutMs: 1_500 });
  const ask = (name: string) => inspector.inspect('a', { how: 'answer', name, ms: 900 });
  const results = await Promise.allSettled([ask('first'), ask('second'), ask('third')]);
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  t.equal(await inspector.inspect('a', { how: 'answer', name: 'after' }), 'after');
});

t.test('several threads work side by side', async (t) => {
  const inspector = open(t, { threads: 2 });
  const slow = inspector.inspect('a', { how: 'answer', name: 'slow', ms: 400 });
  const order: string[] = [];
  await Promise.all([
    slow.then((name) => order.push(name)),
    inspector.inspect('b', { how: 'answer', name: 'quick' }).then((name) => order.push(name)),
  ]);
  t.same(order, ['quick', 'slow']);
});
