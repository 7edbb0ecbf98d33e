import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { HocError } from '../storage/schema/errors.ts';
import { findControl, withControl } from './connection.ts';
import { exitCodeOf, exitCodes, Unreachable, UsageError } from './exit-codes.ts';
import { findFreePort } from './supervisor/ports.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hoc-connection-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));

t.test('a data folder wins over the environment, which wins over ./.hoc', async (t) => {
  writeFileSync(
    join(scratch, 'run.json'),
    JSON.stringify({ proxy: 'p', console: 'http://c', admin: 'a', token: 'secret' }),
  );
  const env = { HOC_URL: 'http://elsewhere', HOC_TOKEN: 'other' };
  t.match(findControl({ data: scratch }, env), { url: 'http://c', token: 'secret' });
  t.match(findControl({}, env), { url: 'http://elsewhere', token: 'other' });
});

t.test('half an environment and a URL that is none are usage errors that name the variable', async (t) => {
  t.throws(() => findControl({}, { HOC_URL: 'http://x' }), /HOC_TOKEN is missing/);
  t.throws(() => findControl({}, { HOC_TOKEN: 'x' }), /HOC_URL is missing/);
  t.throws(() => findControl({}, { HOC_URL: 'nonsense', HOC_TOKEN: 'x' }), UsageError);
});

t.test('a folder without run.json says how to start one, with exit code 3', async (t) => {
  try {
    findControl({ data: join(scratch, 'none') }, {});
    t.fail('found something');
  } catch (error) {
    t.ok(error instanceof Unreachable);
    t.match((error as Error).message, /hoc start --data/);
    t.equal(exitCodeOf(error), exitCodes.unreachable);
  }
});

t.test('control that does not answer is exit code 3, and the token is in no message', async (t) => {
  const env = { HOC_URL: `http://127.0.0.1:${await findFreePort('127.0.0.1')}`, HOC_TOKEN: 'very-secret' };
  try {
    await withControl({}, env, (client) => client.listKeys());
    t.fail('answered');
  } catch (error) {
    t.equal(exitCodeOf(error), exitCodes.unreachable);
    t.notMatch(String((error as Error).message), /very-secret/);
  }
});

t.test('a refused file is exit code 2, any other failure 1', async (t) => {
  t.equal(exitCodeOf(new HocError({ code: 'configuration_invalid', publicMessage: 'x' })), exitCodes.usage);
  t.equal(exitCodeOf(new HocError({ code: 'input_invalid', publicMessage: 'x' })), exitCodes.usage);
  t.equal(exitCodeOf(new HocError({ code: 'conflict', publicMessage: 'x' })), exitCodes.failure);
  t.equal(exitCodeOf(new Error('x')), exitCodes.failure);
});
