import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { createNodeKey, openAtNode, openSecret, readMasterKey, sealSecret, sealToNode } from './index.ts';

const master = randomBytes(32);
const document = { version: 3, credentials: [{ id: 'cred_1', version: 2, secret: 'sk-canary-credential' }] };

function flip(base64: string, bit: number): string {
  const bytes = Buffer.from(base64, 'base64');
  const index = Math.floor(bit / 8) % bytes.length;
  bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit % 8));
  return bytes.toString('base64');
}

t.test('a sealed secret opens with its master key and place only', async (t) => {
  const envelope = sealSecret(master, 'cred_1:1', 'sk-canary-credential');
  t.equal(openSecret(master, 'cred_1:1', envelope), 'sk-canary-credential');
  t.notMatch(envelope, 'canary');
  t.throws(() => openSecret(randomBytes(32), 'cred_1:1', envelope), { code: 'internal' });
  t.throws(() => openSecret(master, 'cred_1:2', envelope), { code: 'internal' });
  t.not(
    envelope,
    sealSecret(master, 'cred_1:1', 'sk-canary-credential'),
    'the same secret never seals to the same text',
  );
});

t.test('any secret comes back as it was, and any flipped bit is refused', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(), fc.boolean(), (secret, bit, inKey) => {
      const envelope = sealSecret(master, 'place', secret);
      if (openSecret(master, 'place', envelope) !== secret) return false;
      const parts = JSON.parse(envelope) as { key: string; data: string };
      const changed = inKey ? { ...parts, key: flip(parts.key, bit) } : { ...parts, data: flip(parts.data, bit) };
      try {
        openSecret(master, 'place', JSON.stringify(changed));
        return false;
      } catch {
        return true;
      }
    }),
    { numRuns: 200 },
  );
  t.pass('held');
});

t.test('what is no envelope is refused', async (t) => {
  for (const text of ['', 'null', '{}', '{"v":2}', '{"v":1,"key":"","data":""}', '{"v":1,"key":"AAAA"}']) {
    t.throws(() => openSecret(master, 'place', text), { code: 'internal' }, text);
  }
});

t.test('a master key is 32 bytes, and a wrong one is never echoed', async (t) => {
  t.equal(readMasterKey(`${master.toString('base64')}\n`).length, 32);
  t.throws(() => readMasterKey('c2hvcnQ='), { code: 'configuration_invalid', message: /^(?!.*c2hvcnQ)/ });
});

t.test('credentials open at the node they are sealed to, and nowhere else', async (t) => {
  const node = createNodeKey();
  const sealed = sealToNode({ id: 'node_1', publicKey: node.publicKey }, document);
  t.same(openAtNode(node.privateKey, sealed), document);
  t.notMatch(JSON.stringify(sealed), 'canary');
  t.throws(() => openAtNode(createNodeKey().privateKey, sealed), { code: 'internal' });
});

t.test('sealed credentials with any part changed are refused', async (t) => {
  const node = createNodeKey();
  const sealed = sealToNode({ id: 'node_1', publicKey: node.publicKey }, document);
  t.throws(() => openAtNode(node.privateKey, { ...sealed, version: 4 }), { code: 'internal' });
  t.throws(() => openAtNode(node.privateKey, { ...sealed, node_id: 'node_2' }), { code: 'internal' });
  t.throws(() => openAtNode(node.privateKey, { ...sealed, nonce: flip(sealed.nonce, 3) }), { code: 'internal' });
  const other = createNodeKey().publicKey;
  t.throws(() => openAtNode(node.privateKey, { ...sealed, ephemeral_public_key: other }), { code: 'internal' });
  for (const bit of [0, 77, 800, 1_000]) {
    t.throws(() => openAtNode(node.privateKey, { ...sealed, ciphertext: flip(sealed.ciphertext, bit) }), {
      code: 'internal',
    });
  }
});

t.test('a public key that is not X25519 is refused', async (t) => {
  t.throws(() => sealToNode({ id: 'node_1', publicKey: 'AAAA' }, document), { code: 'input_invalid' });
});
