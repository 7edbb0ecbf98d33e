import fc from 'fast-check';
import { RE2JS } from 're2js';
import t from 'tap';
import { checkPattern, checkStreamPattern, redact, scan, weighPattern } from './index.ts';
import { countPasses } from './scan.ts';

t.test('each test answers in its place', async (t) => {
  const text = 'Project-X ends here';
  const answers = scan(text, [
    { test: 'matches', pattern: '(?i)project-x' },
    { test: 'matches', pattern: '^ends' },
    { test: 'contains', pattern: 'ends' },
    { test: 'startsWith', pattern: 'Project' },
    { test: 'endsWith', pattern: 'Project' },
    { test: 'length', pattern: '' },
  ]);
  t.same(answers, [true, false, true, true, false, text.length]);
});

t.test('a pattern keeps its answer after hundreds of others were used', async (t) => {
  for (let i = 0; i < 300; i += 1) t.same(scan(`x${i}y`, [{ test: 'matches', pattern: `^x${i}y$` }]), [true]);
  t.same(scan('x0y', [{ test: 'matches', pattern: '^x0y$' }]), [true]);
});

t.test('patterns that are looked for together are found as if each were looked for alone', async (t) => {
  const piece = fc.constantFrom(
    'a',
    'ab',
    'b.',
    '[ab]',
    '(?i)B',
    'a?',
    'b{1,3}',
    'a+',
    '.*',
    '\\s',
    '\\bab',
    '$',
    '^a',
    '(a|b)c',
  );
  const patterns = fc.array(
    fc.array(piece, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('')),
    { maxLength: 90 },
  );
  fc.assert(
    fc.property(
      patterns,
      fc.string({ unit: fc.constantFrom('a', 'b', 'B', 'c', ' ', '\n'), maxLength: 40 }),
      (all, text) => {
        const tests = all.map((pattern) => ({ test: 'matches' as const, pattern }));
        t.strictSame(
          scan(text, tests),
          all.map((pattern) => RE2JS.compile(pattern).matcher(text).find()),
        );
      },
    ),
    { numRuns: 60 },
  );
});

t.test('a thousand plain patterns are a few passes over a text, and each wild one is a pass of its own', async (t) => {
  const plain = Array.from({ length: 1000 }, (_, i) => ({
    test: 'matches' as const,
    pattern: `(?i)\\bproject[- ]${i}x?\\b`,
  }));
  const wild = ['a.*b', '\\w+x', '[a-z]{1,20}', 'x{3,}'].map((pattern) => ({ test: 'matches' as const, pattern }));
  t.equal(countPasses(plain), 16);
  t.equal(countPasses(wild), 4);
  t.equal(countPasses([...plain, ...wild, { test: 'contains', pattern: 'x' }, { test: 'length', pattern: '' }]), 21);
});

t.test('a pattern that is too large, too long or no RE2 is refused, and never run', async (t) => {
  const refused = [
    '(a{1000}){1000}',
    '((a{100}){100}){100}',
    'a{1001}',
    `${'a{999}'.repeat(40)}`,
    '(?=a)',
    '(a)\\1',
    '(',
    '[z-a]',
    'x'.repeat(251),
    '\\pL{200}',
    '[\\pL\\pN]{1,100}',
    '(?:.{0,200}){6}',
  ];
  for (const pattern of refused) {
    const start = process.cpuUsage();
    const reason = checkPattern(pattern);
    const { user } = process.cpuUsage(start);
    t.type(reason, 'string', pattern.slice(0, 40));
    t.notMatch(reason ?? '', pattern.slice(0, 20).length > 6 ? pattern.slice(0, 20) : '\u0000');
    t.ok(user < 500_000, 'within half a second of CPU, whatever it asks for');
    t.throws(() => scan('a', [{ test: 'matches', pattern }]), RangeError);
  }
});

t.test('patterns as people write them are good', async (t) => {
  for (const pattern of [
    '',
    'a|b',
    '(?i)\\bproject[- ]x\\b',
    '^\\s*$',
    '\\pL+',
    '[^\\x00-\\x7f]{3,}',
    '(?s)a.*b',
    'a{1000}',
  ]) {
    t.equal(checkPattern(pattern), null, pattern);
  }
});

t.test('a hostile pattern on a hostile text ends in time', async (t) => {
  const text = Array.from({ length: 20_000 }, (_, i) => ((i * 7919) % 13 < 6 ? 'a' : 'b')).join('');
  const start = process.cpuUsage();
  scan(text, [
    { test: 'matches', pattern: '(?:a|b)*a(?:a|b){60}x' },
    { test: 'matches', pattern: '(x+x+)+y' },
  ]);
  t.ok(process.cpuUsage(start).user < 10_000_000);
});

/** Milliseconds for 4,096 drawn characters of an alphabet: the middle of five texts, once the pattern is warm. */
function timePattern(pattern: string, alphabet: string): number {
  const draw = (seed: number) =>
    Array.from({ length: 4_096 }, (_, at) =>
      alphabet.charAt((Math.imul(at * 31 + seed, 0x9e3779b1) >>> 13) % alphabet.length),
    ).join('');
  const tests = [{ test: 'matches', pattern }] as const;
  for (let round = 0; round < 3; round += 1) scan(draw(round), tests);
  const times = Array.from({ length: 5 }, (_, round) => {
    const before = process.cpuUsage();
    scan(draw(round + 10), tests);
    return process.cpuUsage(before).user / 1000;
  });
  return times.sort((a, b) => a - b)[2] ?? 0;
}

t.test('what a pattern may cost at worst is known before it runs, and plain ones cost the least', async (t) => {
  const alphabets = ['ab', 'abcd ', 'aab1@. '];
  const wild = [
    'a.{0,40}b.{0,40}c',
    'a.{0,10}b.{0,10}c',
    '(a|b)*a(a|b){12}',
    '[a-f][^a]{8}z',
    '([a-c]{1,9}[b-d]{1,9}){3}z',
  ];
  for (const pattern of wild) {
    const { weight } = weighPattern(pattern);
    const worst = Math.max(...alphabets.map((alphabet) => timePattern(pattern, alphabet)));
    // A unit is 40 us for 4,096 characters; a slow machine gets five times as much.
    t.ok(weight > 1 && worst < weight * 0.04 * 5, `${pattern}: weight ${weight}, took ${worst.toFixed(2)} ms`);
  }
  for (const pattern of [
    '(?i)project-x',
    '\\b\\d{4}[ -]?\\d{4}\\b',
    '(?i)\\b(?:secret|token)\\s*[:=]\\s*\\w+',
    'a.*b.*c',
    'x{200}',
  ]) {
    t.equal(weighPattern(pattern).weight, 1, pattern);
  }
});

t.test('a pattern that takes too long is refused, in streams sooner, with what to do', async (t) => {
  t.equal(checkPattern('a.{0,40}b.{0,40}c'), null);
  t.match(checkStreamPattern('a.{0,40}b.{0,40}c'), /may take 10 ms .* \(at most 1 ms here\); shorten its repetitions/);
  t.match(checkPattern('(.{0,12} ){1,12}zz'), /at most 10 ms here/);
  t.equal(checkStreamPattern('(?i)\\b(?:secret|token)\\s*[:=]\\s*\\w+'), null);
});

t.test('spans that overlap become one mark, named after the first', async (t) => {
  const found = [
    { detector: 'phone', start: 8, end: 12 } as const,
    { detector: 'email', start: 4, end: 9 } as const,
    { detector: 'iban', start: 14, end: 99 } as const,
    { detector: 'iban', start: 3, end: 3 } as const,
  ];
  t.equal(redact('abc defghijklm nop', found), 'abc [redacted:email]lm[redacted:iban]');
  t.equal(redact('abc', []), 'abc');
  t.equal(
    redact('abcd', [
      { detector: 'phone', start: 0, end: 2 },
      { detector: 'email', start: 2, end: 4 },
    ]),
    '[redacted:phone][redacted:email]',
  );
});
