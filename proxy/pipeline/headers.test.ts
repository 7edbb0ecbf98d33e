import t from 'tap';
import { findHeader, forwardableAnswerHeaders, readCallerHeaders } from './headers.ts';

function read(...raw: string[]) {
  const headers = readCallerHeaders(raw);
  if (typeof headers === 'string') throw new Error(headers);
  return headers;
}

t.test('unknown headers pass with their own spelling, hop-by-hop headers and ours do not', async (t) => {
  const headers = read(
    'X-Custom',
    'a',
    'Connection',
    'keep-alive, X-Hop',
    'X-Hop',
    '1',
    'TE',
    'trailers',
    'Host',
    'h',
    'X-HOC-Session',
    's',
    'x-custom',
    'b',
  );
  t.same(headers.forward, ['X-Custom', 'a', 'x-custom', 'b']);
  t.equal(headers.session, 's');
});

t.test('credentials are found at every place a provider looks for them', async (t) => {
  const headers = read(
    'Authorization',
    'BEARER  abc ',
    'x-api-key',
    'def',
    'x-goog-api-key',
    'g',
    'api-key',
    'h',
    'x-hoc-key',
    'k',
  );
  t.same(headers.credentials, [
    { place: 'authorization', value: 'abc', raw: 'BEARER  abc' },
    { place: 'x-api-key', value: 'def', raw: 'def' },
    { place: 'x-goog-api-key', value: 'g', raw: 'g' },
    { place: 'api-key', value: 'h', raw: 'h' },
  ]);
  t.equal(headers.hocKey, 'k');
  for (const scheme of ['Basic abc', 'Token abc', 'Bearer\tabc', 'abc']) {
    t.equal(read('authorization', scheme).credentials[0]?.value, 'abc', scheme);
  }
  t.same(read('authorization', 'Bearer ').credentials, [], 'an empty credential is none');
});

t.test('a header that must be single and stands twice is refused', async (t) => {
  for (const name of ['Host', 'Authorization', 'Content-Type', 'X-Api-Key', 'x-hoc-key']) {
    t.type(readCallerHeaders([name, 'a', name.toUpperCase(), 'b']), 'string', name);
  }
});

t.test('a Connection header cannot take away a header that must stay', async (t) => {
  for (const name of ['authorization', 'Content-Type', 'x-api-key', 'x-hoc-actor']) {
    t.type(readCallerHeaders(['Connection', `close, ${name}`, name, 'x']), 'string', name);
  }
});

t.test("a provider's headers pass, its hop-by-hop headers and anything that looks like ours do not", async (t) => {
  const raw = [
    'Set-Cookie',
    'a',
    'set-cookie',
    'b',
    'Connection',
    'close, X-Up',
    'X-Up',
    '1',
    'X-HOC-Run-Id',
    'forged',
    'Date',
    'd',
  ];
  t.same(forwardableAnswerHeaders(raw), ['Set-Cookie', 'a', 'set-cookie', 'b', 'Date', 'd']);
  t.equal(findHeader(raw, 'date'), 'd');
  t.equal(findHeader(raw, 'absent'), null);
});
