import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { firstKeyVariable, listSecretNames } from '../../console/contract/index.ts';
import { inheritedEnv } from './node-processes.ts';
import { makeToken, markFirstKeyShown, openSecrets, snapshotPublicKey } from './secrets.ts';
import { simulatorListen } from './simulator-address.ts';
import { openStarter } from './starter.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hoc-starter-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));

t.test('the starter file points to the simulator and follows it to another port', async (t) => {
  const file = openStarter(scratch, { host: '127.0.0.1', port: 7083 });
  const first = readFileSync(file, 'utf8');
  t.same(simulatorListen(first), { host: '127.0.0.1', port: 7083 });
  t.same(listSecretNames(first), [firstKeyVariable]);
  writeFileSync(file, `${first}# mine\n`);
  openStarter(scratch, { host: '127.0.0.1', port: 4000 });
  const moved = readFileSync(file, 'utf8');
  t.equal(moved, `${first.replace(':7083', ':4000')}# mine\n`, 'what the person wrote stays');
});

t.test('only a provider called simulator on this machine starts one', async (t) => {
  const provider = (slug: string, url: string) =>
    `tenants: [{slug: a, providers: [{slug: ${slug}, baseUrl: "${url}"}]}]`;
  t.same(simulatorListen(provider('simulator', 'http://localhost:4100/v1')), { host: '127.0.0.1', port: 4100 });
  t.equal(simulatorListen(provider('simulator', 'https://sim.example')), null);
  t.equal(simulatorListen(provider('openai', 'http://127.0.0.1:4100')), null);
  for (const text of ['', 'tenants: 5', 'tenants: [3]', ':\n  - {', 'tenants: [{providers: [null]}]'])
    t.equal(simulatorListen(text), null);
});

t.test('secrets are made once, kept private, and differ', async (t) => {
  const secrets = openSecrets(scratch);
  t.same(openSecrets(scratch), secrets);
  t.equal(statSync(join(scratch, 'secrets.json')).mode & 0o777, 0o600);
  t.equal(Buffer.from(secrets.masterKey, 'base64').length, 32);
  t.match(snapshotPublicKey(secrets), /^MCowBQYDK2VwAyEA/, 'an Ed25519 public key in SPKI form');
  t.ok(secrets.firstKey.length >= 32);
  t.not(makeToken('x'), makeToken('x'));
  markFirstKeyShown(scratch, secrets);
  t.same(openSecrets(scratch), { ...secrets, firstKeyShown: true });
});

t.test('a child sees no credential, no key and no token of our environment', async (t) => {
  const env = {
    PATH: '/bin',
    HTTPS_PROXY: 'http://p',
    HOC_REDIS_TIMEOUT_MS: '50',
    OPENAI_API_KEY: 'secret',
    HOC_KEY_APP: 'secret',
    HOC_MY_SECRET: 'secret',
    HOC_TOKEN: 'secret',
    HOC_NODE_TOKEN: 'secret',
    HOC_MASTER_KEY: 'secret',
    HOC_PROXY_LISTEN: '0.0.0.0:1',
    HOC_PARENT_PIPE: '1',
  };
  t.same(inheritedEnv(env, ['HOC_MY_SECRET']), { PATH: '/bin', HTTPS_PROXY: 'http://p', HOC_REDIS_TIMEOUT_MS: '50' });
});
