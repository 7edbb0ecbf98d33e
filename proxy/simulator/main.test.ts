import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';

interface ReadyLine {
  ready: boolean;
  process: string;
  listen: { simulator: string; admin: string };
}

async function launch(t: Test, env: Readonly<Record<string, string>>) {
  const code = `import { runSimulator } from ${JSON.stringify(new URL('./main.js', import.meta.url).href)}; await runSimulator(process.env);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: {
      HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
      HOC_ADMIN_LISTEN: '127.0.0.1:0',
      HOC_SIMULATOR_SPEED: 'instant',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, said: JSON.parse(line) as ReadyLine };
}

t.test('the process says where it listens, serves its admin routes and ends on SIGTERM', async (t) => {
  const { child, said } = await launch(t, {});
  t.match(said, { ready: true, process: 'simulator' });
  const answer = await fetch(`${said.listen.simulator}/v1/chat/completions`, {
    method: 'POST',
    body: '{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}',
  });
  t.equal(answer.status, 200);
  await answer.text();
  t.equal((await fetch(`${said.listen.admin}/readyz`)).status, 200);
  t.match(await (await fetch(`${said.listen.admin}/metrics`)).text(), /^hoc_simulator_answers_total 1$/m);
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number];
  t.equal(code, 0);
});

t.test('it ends when the pipe of its parent closes', async (t) => {
  const { child } = await launch(t, { HOC_PARENT_PIPE: '1' });
  child.stdin.end();
  const [code] = (await once(child, 'exit')) as [number];
  t.equal(code, 0);
});
