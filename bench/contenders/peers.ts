import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from '../child.ts';
import type { Absent, Contender, ContenderContext } from './contender.ts';

const route = '/v1/chat/completions';

/** The load straight to the provider: what the machine and the load generator allow at most. */
export function startDirect({ upstream }: ContenderContext): Contender {
  return { name: 'direct', url: `${upstream}${route}`, headers: {}, stop: async () => undefined };
}

/** The minimal pass-through on fastify and undici, in a process of its own. */
export async function startBare({ upstream }: ContenderContext): Promise<Contender> {
  const script = fileURLToPath(new URL('../pass-through/main.js', import.meta.url));
  const child = await startChild({ program: process.execPath, args: [script, upstream], speaks: true });
  return { name: 'bare', url: `${String(child.ready.url)}${route}`, headers: {}, stop: () => child.stop() };
}

/** nginx with one worker and kept-alive connections to the provider, where the machine has it. */
export async function startNginx({ upstream, folder }: ContenderContext): Promise<Contender | Absent> {
  const program = '/usr/sbin/nginx';
  if (!existsSync(program)) return { name: 'nginx', absent: `${program} is not installed` };
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConfiguration({ port, provider: new URL(upstream).host, folder }));
  const child = await startChild({
    program,
    args: ['-c', file, '-p', folder, '-e', join(folder, 'error.log')],
    speaks: false,
  });
  const url = `http://127.0.0.1:${port}`;
  await answers(url, 10_000);
  return { name: 'nginx', url: `${url}${route}`, headers: {}, stop: () => child.stop() };
}

/** Portkey's gateway from npm, pointed at the provider by its own headers; its defaults otherwise. */
export async function startPortkey({ upstream, env }: ContenderContext): Promise<Contender | Absent> {
  const script = fileURLToPath(new URL('build/start-server.js', packageFolder('@portkey-ai/gateway')));
  if (!existsSync(script)) return { name: 'portkey', absent: '@portkey-ai/gateway is not installed' };
  const port = await freePort();
  const child = await startChild({
    program: process.execPath,
    args: [script, `--port=${port}`, '--headless'],
    env: { ...env, NODE_ENV: 'production' },
    speaks: false,
  });
  const url = `http://127.0.0.1:${port}`;
  await answers(url, 20_000);
  return {
    name: 'portkey',
    url: `${url}${route}`,
    headers: { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${upstream}/v1` },
    stop: () => child.stop(),
  };
}

/** The folder of an installed package, found from this file upwards as Node would. */
function packageFolder(name: string): URL {
  let folder = new URL('./', import.meta.url);
  for (;;) {
    const candidate = new URL(`node_modules/${name}/`, folder);
    const above = new URL('../', folder);
    if (existsSync(fileURLToPath(candidate)) || above.href === folder.href) return candidate;
    folder = above;
  }
}

function nginxConfiguration({ port, provider, folder }: { port: number; provider: string; folder: string }): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  ${temporary.join('\n  ')}
  upstream provider { server ${provider}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    client_body_buffer_size 256k;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`;
}

/** A port that was free a moment ago; the contenders that need one cannot tell which port they took. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Resolves once a server answers anything at all; rejects after `timeoutMs`. */
async function answers(url: string, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw new Error(`${url} does not answer`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
