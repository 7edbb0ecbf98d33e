import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import t from 'tap';
import { nodeHash } from './digest.ts';
import { canonicalJson, commit, decisionDigest, leafHash, merkleRoot, sha256Hex, snapshotId } from './index.ts';

const hex = (...parts: (string | Uint8Array)[]) => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest('hex');
};

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(), fc.boolean()),
    fc.constantFrom(null, -0, 2 ** 53 + 2, 1e21, 5e-324),
    fc.array(fc.oneof(tie('value'), fc.constant(undefined), fc.constant(Symbol('x')))),
    fc.dictionary(text, fc.oneof(tie('value'), fc.constant(undefined))),
    fc.date({ noInvalidDate: true }),
  ),
})).value;

t.test('canonical JSON is what package canonicalize writes, for any value', async (t) => {
  fc.assert(
    fc.property(json, (value) => canonicalJson(value) === canonicalize(value)),
    { numRuns: 3_000 },
  );
  t.pass('held for 3,000 values');
});

t.test('canonical JSON does not depend on the order in which members were set', async (t) => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(text, fc.integer()), { selector: ([key]) => key }),
      fc.func(fc.nat()),
      (members, rank) => {
        const shuffled = [...members].sort((a, b) => rank(a[0]) - rank(b[0]));
        return canonicalJson(Object.fromEntries(members)) === canonicalJson(Object.fromEntries(shuffled));
      },
    ),
  );
  t.pass('held');
});

t.test('objects that share first key, last key and size keep their own key order', async (t) => {
  t.equal(canonicalJson({ b: 1, x: 2, a: 3 }), '{"a":3,"b":1,"x":2}');
  t.equal(canonicalJson({ b: 1, c: 2, a: 3 }), '{"a":3,"b":1,"c":2}');
  for (let i = 0; i < 2_000; i++) canonicalJson({ [`k${i}`]: 1, [`j${i}`]: 2 });
  t.equal(canonicalJson({ b: 1, x: 2, a: 3 }), '{"a":3,"b":1,"x":2}');
});

t.test('the RFC 8785 samples come out as printed there', async (t) => {
  const numbers = JSON.parse('{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]}');
  t.equal(canonicalJson(numbers), '{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}');
  const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
  t.equal(canonicalJson(keys), '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}');
});

t.test('what has no canonical form is refused, and the error does not quote it', async (t) => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const lone = 'secret\ud800';
  const refused = [
    NaN,
    Infinity,
    -Infinity,
    undefined,
    1n,
    Symbol('s'),
    () => 1,
    lone,
    [lone],
    { [lone]: 1 },
    { a: lone },
  ];
  for (const value of [...refused, cycle, { a: () => 1 }, { a: 1n }, `${'x'.repeat(300)}\udc00`]) {
    try {
      canonicalJson(value);
      t.fail('accepted');
    } catch (error) {
      t.match(error, { name: 'HocError', code: 'input_invalid' });
      t.notMatch((error as Error).message, /secret/);
    }
  }
  t.equal(canonicalJson('a backslash \\ud800 is text'), '"a backslash \\\\ud800 is text"');
});

t.test('sha256Hex, leafHash and nodeHash are SHA-256 with the prefixes of RFC 6962', async (t) => {
  t.equal(sha256Hex(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  fc.assert(
    fc.property(text, text, (a, b) => {
      const node = hex(Buffer.of(1), Buffer.from(hex(a), 'hex'), Buffer.from(hex(b), 'hex'));
      const plain = sha256Hex(a) === hex(a) && sha256Hex(Buffer.from(a)) === hex(a);
      return plain && leafHash(a) === hex(Buffer.of(0), a) && nodeHash(hex(a), hex(b)) === node;
    }),
  );
  t.throws(() => nodeHash('00', hex('')), { code: 'internal' });
  t.throws(() => nodeHash(hex(''), 'zz'.repeat(32)), { code: 'internal' });
});

t.test('merkleRoot gives the roots of the Certificate Transparency reference vectors', async (t) => {
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const hashes = leaves.map((leaf) => hex(Buffer.of(0), Buffer.from(leaf, 'hex')));
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  roots.forEach((root, size) => {
    t.equal(merkleRoot(hashes.slice(0, size)), root, `${size} leaves`);
  });
});

t.test('merkleRoot agrees with the recursive definition of RFC 6962 for any number of leaves', async (t) => {
  const define = (leaves: readonly string[]): string => {
    const [only] = leaves;
    if (only === undefined) return hex('');
    if (leaves.length === 1) return only;
    let split = 1;
    while (split * 2 < leaves.length) split *= 2;
    return nodeHash(define(leaves.slice(0, split)), define(leaves.slice(split)));
  };
  const all = Array.from({ length: 130 }, (_, i) => leafHash(`${i}`));
  const roots = all.map((_, size) => all.slice(0, size));
  t.strictSame(roots.map(merkleRoot), roots.map(define));
});

t.test('a commitment is SHA-256(salt || value), for text and bytes of any size', async (t) => {
  const salt = fc.uint8Array({ minLength: 16, maxLength: 64 });
  const sizes = fc.constantFrom(0, 1, 2_000, 2_725, 2_726, 8_176, 8_177, 20_000);
  fc.assert(
    fc.property(salt, text, sizes, (saltBytes, seed, size) => {
      const saltHex = Buffer.from(saltBytes).toString('hex');
      const value = seed === '' ? 'x'.repeat(size) : seed.repeat(Math.ceil(size / seed.length));
      const bytes = Buffer.from(value);
      return commit(saltHex, value) === hex(saltBytes, value) && commit(saltHex, bytes) === hex(saltBytes, bytes);
    }),
  );
  const fixed = '00'.repeat(16);
  for (const units of [2_724, 2_725, 2_726, 5_000, 8_176]) {
    const value = '\u20ac'.repeat(units);
    t.equal(commit(fixed, value), hex(Buffer.from(fixed, 'hex'), value), `${units} characters of 3 bytes`);
  }
  for (const bad of ['', 'abcd', `${'0'.repeat(31)}`, 'zz'.repeat(16)]) {
    t.throws(() => commit(bad, 'v'), { code: 'internal' });
  }
});

t.test('digests cover exactly their documented fields, in any order', async (t) => {
  const input = {
    v: 1,
    context_digest: hex('context'),
    snapshot_id: snapshotId({ keys: 'b', policy: 'a', prices: 'c' }),
    engine_version: 'e',
    detector_version: '',
    verdict: 'allow',
    owner: null,
    reason: '',
    matched: [],
    modifications: [],
    shadow: [],
  } as const;
  t.equal(snapshotId({ policy: 'a', keys: 'b', prices: 'c' }), hex('{"keys":"b","policy":"a","prices":"c"}'));
  t.equal(decisionDigest(input), hex(canonicalize(input) ?? ''));
  t.equal(decisionDigest({ ...input, tags: { team: 'x' } } as typeof input), decisionDigest(input));
  t.not(decisionDigest({ ...input, reason: 'other' }), decisionDigest(input));
});
