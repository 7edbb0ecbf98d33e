import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readEnvironment } from './environment.ts';

t.test('a missing or malformed setting is named, and its value is never shown', async (t) => {
  const environment = readEnvironment({ A: '', PORT: 'canary-value', N: 'canary-value', S_FILE: '/does/not/exist' });
  for (const act of [
    () => environment.required('A'),
    () => environment.listen('PORT', '1'),
    () => environment.integer('N', 1),
    () => environment.secret('S'),
  ]) {
    t.throws(act, { code: 'configuration_invalid', message: /^(?!.*canary).*(A|PORT|N|S_FILE)/ });
  }
});

t.test('a secret is read from its variable or from the file that NAME_FILE points to', async (t) => {
  const file = join(t.testdir(), 'secret');
  writeFileSync(file, 'from-file\n');
  t.equal(readEnvironment({ S: 'direct', S_FILE: file }).secret('S'), 'direct');
  t.equal(readEnvironment({ S_FILE: file }).secret('S'), 'from-file');
  t.equal(readEnvironment({}).optionalSecret('S'), null);
});

t.test('a listen address may leave out its host', async (t) => {
  const environment = readEnvironment({ A: '0.0.0.0:80', B: '8080', C: '[::1]:9' });
  t.same(environment.listen('A', '1'), { host: '0.0.0.0', port: 80 });
  t.same(environment.listen('B', '1'), { host: '127.0.0.1', port: 8080 });
  t.same(environment.listen('C', '1'), { host: '::1', port: 9 });
  t.same(environment.listen('D', '127.0.0.1:0'), { host: '127.0.0.1', port: 0 });
});

t.test('all that is missing is named at once', async (t) => {
  const environment = readEnvironment({ A: 'a', C: '' });
  t.same(environment.all(['A']), { A: 'a' });
  t.throws(() => environment.all(['A', 'B', 'C']), { code: 'configuration_invalid', message: /B, C/ });
});

t.test('a choice takes one of its words, the first by default, and refuses any other by name', async (t) => {
  const environment = readEnvironment({ A: 'disk', B: 'disc' });
  t.equal(environment.choice('A', ['process', 'disk']), 'disk');
  t.equal(environment.choice('NONE', ['process', 'disk']), 'process');
  t.throws(() => environment.choice('B', ['process', 'disk']), {
    code: 'configuration_invalid',
    message: 'B must be process or disk.',
  });
});
