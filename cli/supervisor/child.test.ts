import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type ChildSpec, superviseChild } from './child.ts';
import { openChildRecord } from './leftovers.ts';
import { identifyProcess } from './process-table.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hoc-child-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));

const readyLine = `console.log(JSON.stringify({ ready: true, process: 'x', listen: { admin: process.env.ADMIN ?? 'first' } }));`;
const stay = `process.stdin.on('end', () => process.exit(0)).resume(); process.on('SIGTERM', () => process.exit(0));`;

function start(script: string, more: Partial<ChildSpec> = {}) {
  const fatal: string[] = [];
  const restarts: string[] = [];
  const spec: ChildSpec = {
    name: 'x',
    command: (last) => ({
      program: process.execPath,
      args: ['-e', script],
      env: { ...(last === null ? {} : { ADMIN: 'again' }) },
    }),
    ready: 'line',
    readyTimeoutMs: 20_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 5000,
    ...more,
  };
  const child = superviseChild(spec, {
    logFile: join(scratch, 'x.log'),
    record: openChildRecord(scratch),
    onFatal: (cause) => fatal.push(cause),
    onRestart: (_name, why) => restarts.push(why),
  });
  t.teardown(() => child.stop());
  return { child, fatal, restarts };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test('a child is ready when its line says so, and other lines go to its log', async (t) => {
  const { child } = start(`console.log('hello'); ${readyLine} ${stay} console.log('{"not":"ready"}')`);
  t.same(await child.ready, { admin: 'first' });
  t.equal(child.phase(), 'ready');
  await until(() => readFileSync(join(scratch, 'x.log'), 'utf8').endsWith('hello\n{"not":"ready"}\n'));
  await child.stop();
  t.equal(child.phase(), 'stopped');
});

t.test('a crashed child is started again, where it listened before', async (t) => {
  const { child, restarts } = start(`${readyLine} ${stay}`);
  await child.ready;
  process.kill(child.pid() ?? 0, 'SIGKILL');
  await until(() => child.phase() === 'ready' && child.restarts() === 1);
  t.same(child.listening(), { admin: 'again' });
  t.same(restarts, ['SIGKILL']);
  await child.stop();
});

t.test('five crashes in a minute are fatal, and the cause is its last words', async (t) => {
  const { child, fatal } = start(
    `console.error(JSON.stringify({ msg: 'cannot', err: { message: 'no\\u001b[31m memory' } })); process.exit(7)`,
  );
  await t.rejects(child.ready, /x ended 5 times within a minute \(exit code 7\)/);
  t.equal(child.restarts(), 4);
  t.match(fatal[0], /cannot: no \[31m memory/);
});

t.test('a program that cannot be run is fatal too', async (t) => {
  const command = () => ({ program: '/nowhere/program', args: [], env: {} });
  const { child } = start('', { command });
  await t.rejects(child.ready, /ENOENT/);
});

t.test('a child that is never ready is given up', async (t) => {
  const { child, fatal } = start(stay, { readyTimeoutMs: 300 });
  await t.rejects(child.ready, /not ready within 0.3 s/);
  t.equal(fatal.length, 1);
});

t.test('stopping kills a child that does not end, and nobody waits for its readiness', async (t) => {
  const { child } = start(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`, { stopTimeoutMs: 200 });
  const refused = t.rejects(child.ready, /stopped before it was ready/);
  const pid = child.pid() ?? 0;
  await child.stop();
  await refused;
  t.equal(identifyProcess(pid), null);
});

t.test('a child that waits for its release does not run before, and is not late meanwhile', async (t) => {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const script = `process.stdin.once('data', () => { ${readyLine} ${stay} })`;
  const { child } = start(script, { release: released, readyTimeoutMs: 300 });
  const state = await Promise.race([child.ready, new Promise((resolve) => setTimeout(resolve, 600, 'waiting'))]);
  t.equal(state, 'waiting');
  release();
  t.same(await child.ready, { admin: 'first' });
  process.kill(child.pid() ?? 0, 'SIGKILL');
  await until(() => child.phase() === 'ready' && child.restarts() === 1);
  await child.stop();
});
