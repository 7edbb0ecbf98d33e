import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { claimPort } from './port-claims.ts';

const claims = fileURLToPath(new URL('./port-claims.js', import.meta.url));

t.test(
  'a port claimed by one supervisor is not granted to another until that one is gone, however it ends',
  async (t) => {
    const port = 61_000 + (process.pid % 4_000);
    const code = `import(${JSON.stringify(claims)}).then(async (m) => { console.log(await m.claimPort(${port})); setInterval(() => {}, 1000); })`;
    const other = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => other.kill('SIGKILL'));
    const [first] = (await once(other.stdout, 'data')) as [Buffer];
    t.equal(first.toString().trim(), 'true');
    t.equal(await claimPort(port), false);
    other.kill('SIGKILL');
    await once(other, 'exit');
    t.equal(await claimPort(port), true);
    t.equal(await claimPort(port), true, 'its own claim is no obstacle');
  },
);
