import fc from 'fast-check';
import t from 'tap';
import { detect, sensitiveDetectors } from './index.ts';
import { listTokens } from './json-tokens.ts';
import { redactBody } from './redact-body.ts';

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
