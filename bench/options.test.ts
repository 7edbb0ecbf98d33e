import t from 'tap';
import { readOptions } from './options.ts';

t.test('without options all scenarios and contenders run', async (t) => {
  const options = readOptions([]);
  if (options === 'help') throw new Error('help was not asked for');
  t.same(options.contenders, ['direct', 'bare', 'nginx', 'portkey', 'hoc']);
  t.ok(options.scenarios.some(({ name }) => name === 'json-2k-32conn'));
});

t.test('every scenario sends a body of 2 KB', async (t) => {
  const options = readOptions([]);
  if (options === 'help') throw new Error('help was not asked for');
  for (const { name, body } of options.scenarios) t.equal(Buffer.byteLength(body), 2048, name);
});

t.test('an unknown name and a number that is none are refused with what was expected', async (t) => {
  t.throws(() => readOptions(['--scenario', 'nope']), { message: /expected one of json-2k-32conn/ });
  t.throws(() => readOptions(['--rounds', '0']), { message: /expected a whole number above 0/ });
  t.throws(() => readOptions(['--nope']));
});
