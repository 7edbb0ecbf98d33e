import t from 'tap';
import { createKeyHasher, rememberHashes } from './index.ts';

t.test('a key hashes under the installation secret: prefixes, cases and installations do not mix', async (t) => {
  const hash = createKeyHasher('installation-a');
  const other = createKeyHasher('installation-b');
  const secrets = ['a'.repeat(32), 'a'.repeat(33), 'A'.repeat(32), '', '\u0000', '\u00e9'.repeat(40)];
  t.equal(new Set(secrets.map(hash)).size, secrets.length);
  for (const secret of secrets) {
    t.match(hash(secret), /^[0-9a-f]{64}$/);
    t.not(hash(secret), other(secret));
  }
});

t.test('a remembered hash is the hash, whatever was forgotten in between', async (t) => {
  const hash = createKeyHasher('s');
  const remembered = rememberHashes(hash, 3);
  for (const secret of ['a', 'b', 'a', 'c', 'd', 'a', 'x'.repeat(1000), 'b', '__proto__']) {
    t.equal(remembered(secret), hash(secret));
  }
});
