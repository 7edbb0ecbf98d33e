import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import fc from 'fast-check';
import t from 'tap';
import { readTokens } from './lexer.ts';
import { renderParameters, unescapeTsv } from './parameters.ts';
import { decodePercent } from './request.ts';
import { launchFront } from './test-launch.ts';

const folder = await mkdtemp(join(tmpdir(), 'hoc-parameters-'));
const front = await launchFront({ path: folder });
const client = createClient({ url: front.url });
t.teardown(async () => {
  await client.close();
  await front.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Escapes as ClickHouse's TSV does, in the smallest form: only what must be. */
function escapeTsv(bytes: Uint8Array): Buffer {
  const named = new Map([
    [0x5c, '\\\\'],
    [0x09, '\\t'],
    [0x0a, '\\n'],
    [0x0d, '\\r'],
    [0x00, '\\0'],
  ]);
  return Buffer.concat([...bytes].map((byte) => Buffer.from(named.get(byte) ?? [byte])));
}

function percent(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

const awkward = fc.constantFrom(...'\'\\`"\0\n\r\t{}:;-/*#$%x4e N'.split('').map((char) => char.charCodeAt(0)));
const anyBytes = fc
  .array(fc.oneof(awkward, fc.integer({ min: 0, max: 255 })), { maxLength: 40 })
  .map((list) => Uint8Array.from(list));

t.test('any bytes of a String parameter reach the engine as they are', async (t) => {
  const property = fc.asyncProperty(fc.array(anyBytes, { minLength: 1, maxLength: 30 }), async (values) => {
    const select = values.map((_, index) => `hex({p${index}:String})`).join(', ');
    const url = values.map((value, index) => `&param_p${index}=${percent(escapeTsv(value))}`).join('');
    const response = await fetch(`${front.url}/?default_format=JSONCompactEachRow${url}`, {
      method: 'POST',
      body: `SELECT ${select}`,
    });
    t.equal(response.status, 200);
    t.same(
      JSON.parse(await response.text()),
      values.map((value) => Buffer.from(value).toString('hex').toUpperCase()),
    );
  });
  await fc.assert(property, { numRuns: 60 });
});

t.test("any text given to the official client's parameters comes back as it was", async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 30 });
  const property = fc.asyncProperty(
    text,
    fc.array(text, { maxLength: 4 }),
    fc.option(text, { nil: null }),
    async (one, many, maybe) => {
      const result = await client.query({
        query:
          'SELECT {one:String} AS one, {many:Array(String)} AS many, {maybe:Nullable(String)} AS maybe, {one:LowCardinality(String)} AS low',
        query_params: { one, many, maybe },
        format: 'JSONEachRow',
      });
      t.strictSame(await result.json(), [{ one, many, maybe, low: one }]);
    },
  );
  await fc.assert(property, { numRuns: 100 });
});

t.test('no value, as whatever type, adds a token to the query', (t) => {
  const types = [
    'String',
    'UInt64',
    'Identifier',
    'Nullable(String)',
    'Array(String)',
    'LowCardinality(Nullable(String))',
    "DateTime64(3, 'UTC')",
  ];
  const property = fc.property(anyBytes, fc.constantFrom(...types), (value, type) => {
    const before = 'SELECT ';
    const rendered = renderParameters(`${before}{p:${type}} AS x`, new Map([['p', value]]));
    t.match(rendered, /^[\x20-\x7e]*$/);
    const kinds = [...readTokens(rendered, before.length)].map((token) =>
      token.kind === 'symbol' ? token.text : token.kind,
    );
    const literal = type === 'String' ? ['string'] : type === 'Identifier' ? ['quoted'] : null;
    const cast = ['word', '(', 'string', ',', 'string', ')'];
    const nothing = ['word', '(', 'word', ',', 'string', ')'];
    const isNull = rendered.startsWith('SELECT _CAST(NULL,');
    t.same(kinds, [...(literal ?? (isNull ? nothing : cast)), 'word', 'word']);
  });
  fc.assert(property, { numRuns: 400 });
  t.end();
});

t.test('placeholders in strings, names and comments are text', (t) => {
  const values = new Map([['x', Buffer.from('1')]]);
  for (const sql of [
    "SELECT '{x:String}'",
    'SELECT `{x:String}`',
    '/* {x:String} */',
    '-- {x:String}',
    "'\\'{x:String}'",
    '$$ {x:String} $$',
  ]) {
    t.equal(renderParameters(sql, values), sql);
  }
  t.equal(renderParameters('SELECT {y:String}', values), 'SELECT {y:String}', 'the engine reports a missing value');
  t.equal(renderParameters('SELECT { x : String }', values), "SELECT '1'");
  t.end();
});

t.test('typed values are what the engine makes of them', async (t) => {
  const cases: [string, unknown, string][] = [
    ['UInt64', '18446744073709551615', '18446744073709551615'],
    ['Int64', -5, '-5'],
    ["DateTime64(3, 'UTC')", new Date(1_790_000_000_123), '2026-09-21 14:13:20.123'],
    ['Bool', true, 'true'],
    ['Array(UInt32)', [1, 2], '[1,2]'],
    ['Nullable(UInt8)', null, '\\N'],
    ['Decimal(9,2)', '1.25', '1.25'],
  ];
  for (const [type, value, expected] of cases) {
    const result = await client.query({
      query: `SELECT {v:${type}}`,
      query_params: { v: value },
      format: 'TabSeparated',
    });
    t.equal((await result.text()).trim(), expected, type);
  }
  const rows = await client.query({
    query: 'SELECT number FROM {db:Identifier}.{tb:Identifier} LIMIT {n:UInt32}',
    query_params: { db: 'system', tb: 'numbers', n: 2 },
    format: 'JSONCompactEachRow',
  });
  t.equal((await rows.json()).length, 2);
  await t.rejects(client.query({ query: 'SELECT {v:UInt8}', query_params: { v: '1 OR 1' } }), { code: /^(6|27|72)$/ });
  await t.rejects(client.query({ query: 'SELECT {v:Map(String,UInt8)}', query_params: { v: { a: 1 } } }), {
    code: '48',
  });
});

t.test('TSV escapes are undone as ClickHouse does', (t) => {
  const cases: [string, string][] = [
    ['a\\tb', 'a\tb'],
    ['\\\\n', '\\n'],
    ["\\'", "'"],
    ['\\x41\\x4', 'Ax4'],
    ['end\\', 'end\\'],
    ['\\0\\b\\f\\r\\n', '\0\b\f\r\n'],
  ];
  for (const [from, to] of cases)
    t.equal(Buffer.from(unescapeTsv(Buffer.from(from))).toString(), to, JSON.stringify(from));
  t.same(Buffer.from(decodePercent('a+b%2B%ff%zz%')), Buffer.from('a b+\xff%zz%', 'latin1'));
  t.end();
});
