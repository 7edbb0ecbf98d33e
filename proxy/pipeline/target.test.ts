import t from 'tap';
import { readTarget, takeKeyParameter } from './target.ts';

t.test('a target is taken apart without decoding anything behind the slug', async (t) => {
  t.same(readTarget('/openai/v1/chat/completions?a=%2F'), {
    slug: 'openai',
    path: '/v1/chat/completions',
    query: '?a=%2F',
  });
  t.same(readTarget('/openai'), { slug: 'openai', path: '', query: '' });
  t.same(readTarget('/openai//v1/x%2fy'), { slug: 'openai', path: '//v1/x%2fy', query: '' });
  t.same(readTarget('/openai/a..b/...'), { slug: 'openai', path: '/a..b/...', query: '' });
  t.same(readTarget('/openai/x?q=/../y'), { slug: 'openai', path: '/x', query: '?q=/../y' });
});

t.test('a target that two readers could understand differently is refused with a sentence', async (t) => {
  const hostile = [
    'http://evil/openai/v1',
    '*',
    '//openai/v1',
    '/',
    '/%2fopenai/v1',
    '/open%2Fai/v1',
    '/open\\ai/v1',
    '/openai/../admin',
    '/openai/..',
    '/openai/.',
    '/openai/%2e%2e/admin',
    '/openai/.%2E/admin',
    '/openai/v1%2f..%2fadmin',
    '/openai/v1\\..\\admin',
    '/openai/v1%5c..%5Cadmin',
    '/openai/v1%00',
    '/openai/v1#x',
    '/openai/\u00e9',
  ];
  for (const url of hostile) t.type(readTarget(url), 'string', url);
});

t.test('the key parameter is taken out of a query and everything else stays verbatim', async (t) => {
  t.same(takeKeyParameter('?alt=sse&key=abc%2B1&x=%zz'), { values: ['abc+1'], rest: '?alt=sse&x=%zz' });
  t.same(takeKeyParameter('?key=a'), { values: ['a'], rest: '' });
  t.same(takeKeyParameter('?monkey=a'), { values: [], rest: '?monkey=a' });
  t.same(takeKeyParameter('?key=%zz'), { values: ['%zz'], rest: '' });
  t.same(takeKeyParameter(''), { values: [], rest: '' });
});
