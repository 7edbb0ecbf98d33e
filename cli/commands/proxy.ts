import type { Command } from 'commander';

const help = `
Environment:
  HOC_PROXY_LISTEN, HOC_ADMIN_LISTEN, HOC_DATA, HOC_CONTROL_URL, REDIS_URL, HOC_NODE_TOKEN,
  HOC_KEY_HASH_SECRET, HOC_SNAPSHOT_PUBLIC_KEY, HOC_PROXY_ID,
  HOC_DURABILITY, HOC_SPOOL_MAX_BYTES, HOC_SPOOL_WHEN_FULL, HOC_REDIS_TIMEOUT_MS,
  HOC_RESERVATION_MS, HOC_MAX_OPEN_RUNS, HOC_MAX_BODY_BYTES, HOC_MAX_CAPTURE_BYTES
  Secrets can also be given as files: NAME_FILE instead of NAME.

Example:
  $ HOC_PROXY_LISTEN=0.0.0.0:7080 hoc proxy`;

/** Adds `hoc proxy`: one proxy as a process of its own. */
export function addProxy(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command('proxy')
    .description('Run one proxy (data plane): decides, forwards and records runs.')
    .addHelpText('after', help)
    .action(async () => {
      process.title = 'hoc proxy';
      const { runProxy } = await import('../../proxy/main.ts');
      await runProxy(env);
    });
}
