import fc from 'fast-check';
import t from 'tap';
import { detect, sensitiveDetectors } from './index.ts';
import { listTokens } from './json-tokens.ts';
import { redactBody, redactJsonText } from './redact-body.ts';

const redacted = (text: string) => redactBody(text, sensitiveDetectors);

t.test('findings in strings, names of members and numbers go, and what was JSON stays JSON', async (t) => {
  const body = {
    user: 'jane@example.com',
    'jane@example.com': 1,
    card: 4111111111111111,
    messages: [{ role: 'user', content: 'Call me: +49 30 901820, or "write"\n to jo\u00e9@example.com' }],
    nested: { arguments: JSON.stringify({ iban: 'DE89370400440532013000' }) },
  };
  t.same(JSON.parse(redacted(JSON.stringify(body, null, 1))), {
    user: '[redacted:email]',
    '[redacted:email]': 1,
    card: '[redacted:payment_card]',
    messages: [{ role: 'user', content: 'Call me: [redacted:phone], or "write"\n to [redacted:email]' }],
    nested: { arguments: '{"iban":"[redacted:iban]"}' },
  });
});

t.test('a text that is no JSON is redacted as it stands', async (t) => {
  t.equal(redacted('mail jane@example.com now'), 'mail [redacted:email] now');
  t.notMatch(redacted('[note] "a" call jane2@example.com, {x}'), /jane|example/);
  t.equal(redacted(''), '');
});

t.test('a body that is cut off is redacted as far as it goes', async (t) => {
  const body = JSON.stringify({ a: 'jane@example.com', b: 'and jane@example.com too' });
  for (let end = 0; end < body.length; end += 1) {
    const kept = redacted(body.slice(0, end));
    // A part of an address that lies on the edge is none; whoever stores it cuts the edge off.
    if (body.slice(0, end).includes('jane@example.com"')) t.notMatch(kept.slice(0, 24), /jane@/);
  }
});

t.test('long strings of base64 go, other long strings stay', async (t) => {
  const image = `data:image/png;base64,${'iVBORw0KGgo'.repeat(200)}`;
  t.equal(redacted(JSON.stringify({ image })), '{"image":"[redacted:encoded]"}');
  const words = 'two words '.repeat(300);
  t.equal(redacted(JSON.stringify({ words })), JSON.stringify({ words }));
});

t.test('a private key that is spread over members goes, and its neighbours stay', async (t) => {
  const jwk = {
    ...{ kty: 'EC', crv: 'P-256', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU' },
    ...{ y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0', d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI' },
  };
  const kept = redacted(JSON.stringify({ before: 'hello', jwk, after: 'world' }));
  t.notMatch(kept, /jpsQnnGQmL/);
  t.match(JSON.parse(kept), { before: 'hello', after: 'world' });
});

t.test('what stands encoded in a body goes too, and stays what it was', async (t) => {
  const inner = JSON.stringify({
    to: 'jane\\u0040example.com',
    cards: [4111111111111111, '4111\\u00201111\\u00201111\\u00201111'],
  }).replaceAll('\\\\', '\\');
  const twice = JSON.stringify({ text: JSON.stringify({ deep: inner }), kept: 'as it is' });
  const kept = JSON.parse(redacted(JSON.stringify({ arguments: twice, id: 'call_1' })));
  t.same(Object.keys(kept), ['arguments', 'id']);
  const deep = JSON.parse(JSON.parse(JSON.parse(kept.arguments).text).deep);
  t.same(deep, { to: '[redacted:email]', cards: ['[redacted:payment_card]', '[redacted:payment_card]'] });
  t.equal(JSON.parse(kept.arguments).kept, 'as it is');
  t.equal(
    redactJsonText(inner, sensitiveDetectors),
    '{"to":"[redacted:email]","cards":["[redacted:payment_card]","[redacted:payment_card]"]}',
  );
});

t.test('numbers with a fraction or an exponent are read as what they amount to', async (t) => {
  t.equal(
    redacted('{"a":4111111111111111.0,"b":4.111111111111111e15,"c":1.5e3,"d":-1e999}'),
    '{"a":"[redacted:payment_card]","b":"[redacted:payment_card]","c":1.5e3,"d":-1e999}',
  );
});

t.test('a body that is one string, and one behind a byte order mark, are read', async (t) => {
  t.equal(redacted(' "jane\\u0040example.com" '), ' "[redacted:email]" ');
  t.equal(redacted('\ufeff{"a":"jane\\u0040example.com"}'), '\ufeff{"a":"[redacted:email]"}');
});

t.test('values of a form are read as what they say, and are encoded again where something was found', async (t) => {
  const form = 'to=jane%40example.com&text=call+%2B49+30+901820&kept=a%20b&empty=&x';
  const kept = new URLSearchParams(redacted(form));
  t.same(
    [...kept],
    [
      ['to', '[redacted:email]'],
      ['text', 'call [redacted:phone]'],
      ['kept', 'a b'],
      ['empty', ''],
      ['x', ''],
    ],
  );
  t.match(redacted(form), '&kept=a%20b&empty=&x');
  const payload = `payload=${encodeURIComponent('{"a":"jane\\u0040example.com"}')}`;
  t.equal(new URLSearchParams(redacted(payload)).get('payload'), '{"a":"[redacted:email]"}');
  t.equal(
    redacted(JSON.stringify({ url: 'https://x.test/?q=jane@example.com&n=1' })),
    '{"url":"https://x.test/?q=[redacted:email]&n=1"}',
  );
});

t.test('encoded data goes with line breaks in it, and behind its type when it is short', async (t) => {
  const lines = Array.from({ length: 20 }, () => 'iVBORw0KGgo'.repeat(6)).join('\r\n');
  t.equal(redacted(JSON.stringify({ image: lines })), '{"image":"[redacted:encoded]"}');
  t.equal(
    redacted(JSON.stringify({ url: `data:text/plain;base64,${'aGFsbG8g'.repeat(40)}` })),
    '{"url":"[redacted:encoded]"}',
  );
});

t.test('a body of escapes costs time in proportion to its length', async (t) => {
  const cost = (text: string) => {
    const before = process.cpuUsage();
    redacted(text);
    return process.cpuUsage(before).user / 1000;
  };
  const units = ['"\\u0040",', '"a\\u0040b.co",', '"[\\"a\\"]",', '"1 \\n",', '1.5e3,', 'the quick brown fox '];
  for (const unit of units) {
    const bodies = [16, 512].map(
      (kibi) => `["${unit.startsWith('"') ? '",' : '"]'}${unit.repeat((kibi * 1024) / unit.length)}`,
    );
    cost(bodies[0] ?? '');
    const [small, large] = bodies.map(cost);
    t.ok(
      (large ?? 0) < Math.max(400, (small ?? 0) * 32 * 3),
      `${unit}: ${small?.toFixed(1)} ms, then ${large?.toFixed(0)} ms`,
    );
  }
});

t.test('what has no findings stays byte for byte', async (t) => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      if (detect(json, sensitiveDetectors).length === 0) t.equal(redacted(json), json);
    }),
  );
});

t.test('tokens are strings and numbers where JSON has them, in any text, in linear time', async (t) => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      for (const { start, end } of listTokens(json)) JSON.parse(json.slice(start, end));
    }),
  );
  const hostile = ['"'.repeat(200_000), '\\"'.repeat(200_000), '-'.repeat(200_000), '1e'.repeat(200_000)];
  for (const text of hostile) t.ok(listTokens(`["${text}`).length <= text.length);
});
