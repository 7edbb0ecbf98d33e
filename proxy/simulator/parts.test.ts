import { appendFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { readFaults, splitModel } from './faults.ts';
import { Ledger } from './ledger.ts';
import { computeCharge } from './prices.ts';
import { RequestLog } from './request-log.ts';
import { makeInstance } from './schema-instance.ts';
import { splitTokens } from './tokens.ts';

const opened = (id: string) => ({
  id,
  run_id: null,
  model: 'sim-large',
  input_tokens: 100,
  output_tokens: 10,
  cached_input_tokens: 40,
  reasoning_tokens: 0,
  status: 200,
  streamed: true,
  at: 1,
});

t.test('charges follow the published price list, rounded up once', async (t) => {
  const tokens = { input: 1_000_000, cachedInput: 0, output: 1_000_000 };
  t.equal(computeCharge('sim-small', tokens), 750_000_000n);
  t.equal(computeCharge('sim-large', tokens), 12_500_000_000n);
  t.equal(computeCharge('gpt-4o-mini', tokens), 750_000_000n, 'unknown models cost what sim-small costs');
  t.equal(computeCharge('sim-small', { input: 1, cachedInput: 1, output: 0 }), 75n);
  t.equal(computeCharge('sim-small', { input: 0, cachedInput: 0, output: 0 }), 0n);
});

const produced = (tokens: number) =>
  `"produced_output_tokens":${tokens},"cost_nano_usd":"${computeCharge('sim-large', { input: 100, cachedInput: 40, output: tokens })}"}`;

t.test('a ledger with a file comes back after a kill, torn lines aside', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'hoc-ledger-')), 'ledger.jsonl');
  const first = new Ledger(path);
  const entry = first.open(opened('a'));
  entry.produced = 10;
  entry.finished = true;
  first.close(entry);
  const open = first.open(opened('b'));
  open.produced = 3;
  first.note(open);
  open.produced = 2;
  first.note(open);
  t.equal(first.totals().entries, 2, 'an open entry counts');
  const before = [...first.texts()];
  open.produced = 3;
  // No end: the process was killed, in the middle of a line.
  appendFileSync(path, '{"id":"torn"');
  const second = new Ledger(path);
  t.strictSame([...second.texts()], [before[0], before[1]?.replace(/"produced_output_tokens":2.*/, '') + produced(3)]);
  const charge = (output: number) => computeCharge('sim-large', { input: 100, cachedInput: 40, output });
  t.equal(second.totals().cost_nano_usd, (charge(10) + charge(3)).toString());
  second.close(second.open(opened('c')));
  second.end();
  const third = new Ledger(path);
  t.equal(third.totals().entries, 3, 'the line after the torn one stands alone');
  third.reset();
  third.end();
  t.equal(new Ledger(path).totals().entries, 0);
});

t.test('an entry closed after a reset is not of the new account', async (t) => {
  const ledger = new Ledger(null);
  const entry = ledger.open(opened('a'));
  ledger.reset();
  ledger.close(entry);
  t.equal(ledger.totals().entries, 0);
});

t.test('any text is the sum of its tokens, and no character is cut', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const tokens = splitTokens(text);
      return tokens.join('') === text && tokens.every((token) => Buffer.from(token).toString() === token);
    }),
  );
  t.strictSame(splitTokens('abcd1234x'), ['abcd', '1234', 'x']);
});

t.test('instances fit what tools and structured output ask for', async (t) => {
  const schema = {
    type: 'object',
    required: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    properties: {
      a: { $ref: '#/$defs/kind' },
      b: { type: 'array', items: { type: 'boolean' }, minItems: 2 },
      c: { anyOf: [{ type: 'number', minimum: 5 }, { type: 'null' }] },
      d: { const: 7 },
      e: { type: ['string', 'null'], minLength: 6 },
      f: { type: 'object', properties: { x: { type: 'integer' } } },
      g: { type: 'string', format: 'date' },
      unasked: { type: 'string' },
    },
    $defs: { kind: { enum: ['one', 'two'] } },
  };
  const expected = { a: 'one', b: [true, true], c: 5, d: 7, e: 'texttt', f: { x: 1 }, g: '2026-01-01' };
  t.strictSame(makeInstance(schema), expected);
  const endless = { $ref: '#' };
  t.equal(makeInstance(endless), null);
});

t.test('faults are read from a list, and a misspelt one is named', async (t) => {
  t.strictSame(readFaults('cut, slow:2 ,hang:5'), { faults: { cut: 0.5, slow: 2, hangMs: 5 } });
  t.strictSame(readFaults(''), { faults: {} });
  for (const word of ['cutt', 'status:200', 'status', 'hang:-1', 'size:0', 'slow:0', 'constructor', 'size:1e12']) {
    t.strictSame(readFaults(word), { unknown: word });
  }
  t.strictSame(splitModel('sim-small+fault=cut,slow:2'), { model: 'sim-small', suffix: 'cut,slow:2' });
});

t.test('the log of requests is bounded in number and bytes', async (t) => {
  const log = new RequestLog();
  const add = (body: Buffer) => log.add({ at: 0, method: 'POST', url: '/', rawHeaders: [], body });
  for (let turn = 0; turn < 1500; turn++) add(Buffer.alloc(1));
  t.match(log.tell(5000), { count: 1500, requests: { length: 1000 } });
  for (let turn = 0; turn < 10; turn++) add(Buffer.alloc(20_000_000));
  t.match(log.tell(5000), { count: 1510, requests: { length: 3 } });
});
