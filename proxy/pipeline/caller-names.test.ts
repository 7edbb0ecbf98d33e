import t from 'tap';
import { readActor, readTags, writeActor } from './caller-names.ts';

t.test('an actor is written as a name, with a prefix for services and the system', async (t) => {
  t.same(readActor('user-a', 'asserted'), { type: 'human', id: 'user-a', source: 'asserted' });
  t.same(readActor(' service:ci-bot ', 'asserted'), { type: 'service', id: 'ci-bot', source: 'asserted' });
  t.same(readActor('system:cron', 'verified'), { type: 'system', id: 'cron', source: 'verified' });
  t.same(readActor('tenant:x', 'asserted'), { type: 'human', id: 'tenant:x', source: 'asserted' });
  for (const text of ['user-a', 'service:x', 'system:y']) {
    const actor = readActor(text, 'asserted');
    t.equal(actor === null ? null : writeActor(actor), text);
  }
  for (const text of ['', ' ', 'a'.repeat(257), 'a\nb', '\u00e9']) t.equal(readActor(text, 'asserted'), null);
});

t.test('tags are read strictly: a malformed, repeated or oversized tag is named', async (t) => {
  t.same(readTags('team=search, env=prod,flag'), { team: 'search', env: 'prod', flag: '' });
  t.same(Object.keys(readTags('__proto__=x') as object), ['__proto__']);
  t.match(readTags('a=1,a=2'), /twice/);
  t.match(readTags('a b=1'), /team=search/);
  t.match(readTags(`a=${'x'.repeat(300)}`), /too long/);
  t.match(readTags(Array.from({ length: 40 }, (_, index) => `t${index}=1`).join(',')), /more than/);
});
