import type { Command } from 'commander';
import type { CreatedKey, CreateKeyRequest, KeySummary } from '../../console/contract/index.ts';
import { withControl } from '../connection.ts';
import { print, printJson } from '../output/print.ts';
import { formatTable } from '../output/table.ts';
import { neutraliseTerminal } from '../output/terminal.ts';

interface KeysFlags {
  tenant?: string;
  data?: string;
  json?: boolean;
}

interface CreateFlags extends KeysFlags {
  tenant: string;
  name: string;
  provider?: string;
  subTenant?: string;
  actor?: string;
  expires?: string;
}

const createHelp = `
The secret is shown once, here, and stored nowhere in clear.

Examples:
  $ hoc keys create --tenant default --name app
  $ hoc keys create --tenant acme --name batch --provider openai --actor service:batch --expires 2027-01-31`;

/** Adds `hoc keys create | list | revoke`. */
export function addKeys(program: Command, env: NodeJS.ProcessEnv): void {
  const keys = program.command('keys').description('Create, list and revoke the keys that callers use.');
  keys
    .command('create')
    .description('Create a key and show its secret once.')
    .requiredOption('-t, --tenant <slug>', 'tenant that the key belongs to')
    .requiredOption('-n, --name <name>', 'name of the key')
    .option('--provider <slug>', 'the only provider it may call')
    .option('--sub-tenant <slug>', 'sub-tenant that its runs count for')
    .option('--actor <actor>', 'default actor, e.g. user-a or service:batch')
    .option('--expires <instant>', 'e.g. 2027-01-31 or 2027-01-31T12:00:00Z')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', createHelp)
    .action(async (_flags: CreateFlags, command: Command) => createKey(command.optsWithGlobals<CreateFlags>(), env));
  keys
    .command('list')
    .description('List keys; never their secrets.')
    .option('-t, --tenant <slug>', 'only those of this tenant')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', '\nExamples:\n  $ hoc keys list\n  $ hoc keys list --tenant acme --json')
    .action(async (_flags: KeysFlags, command: Command) => listKeys(command.optsWithGlobals<KeysFlags>(), env));
  keys
    .command('revoke')
    .description('Revoke a key by its public id; every proxy refuses it within a second.')
    .argument('<id>', 'public id, e.g. key_9f2c81d0a4b7')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', '\nExample:\n  $ hoc keys revoke key_9f2c81d0a4b7')
    .action(async (id: string, _flags: KeysFlags, command: Command) =>
      revokeKey(id, command.optsWithGlobals<KeysFlags>(), env),
    );
}

async function createKey(flags: CreateFlags, env: NodeJS.ProcessEnv): Promise<void> {
  const request: CreateKeyRequest = {
    tenant: flags.tenant,
    name: flags.name,
    ...(flags.provider === undefined ? {} : { provider: flags.provider }),
    ...(flags.subTenant === undefined ? {} : { sub_tenant: flags.subTenant }),
    ...(flags.actor === undefined ? {} : { actor: flags.actor }),
    ...(flags.expires === undefined ? {} : { expires: flags.expires }),
  };
  const key = await withControl(flags, env, (client) => client.createKey(request));
  await (flags.json === true ? printJson(key) : print(formatCreated(key)));
}

function formatCreated(key: CreatedKey): string {
  const name = neutraliseTerminal(`${key.tenant}/${key.name}`);
  return `Key ${name} created, id ${key.id}.\n\n  ${key.secret}\n\nThis is shown once and cannot be shown again. Keep it like a password.\n`;
}

async function listKeys(flags: KeysFlags, env: NodeJS.ProcessEnv): Promise<void> {
  const keys = await withControl(flags, env, (client) => client.listKeys(flags.tenant));
  if (flags.json === true) return printJson(keys);
  if (keys.length === 0) return print('No keys. Create one with: hoc keys create --tenant <slug> --name <name>\n');
  const columns = ['ID', 'TENANT', 'NAME', 'STATE', 'PROVIDER', 'ACTOR', 'EXPIRES', 'OWNER'].map((title) => ({
    title,
  }));
  await print(`${formatTable(columns, keys.map(rowOf))}\n`);
}

function rowOf(key: KeySummary): (string | null)[] {
  const expires = key.expires_at_ms === null ? null : new Date(key.expires_at_ms).toISOString();
  return [key.id, key.tenant, key.name, key.state, key.provider ?? 'all', key.actor, expires, key.owner];
}

async function revokeKey(id: string, flags: KeysFlags, env: NodeJS.ProcessEnv): Promise<void> {
  const key = await withControl(flags, env, (client) => client.revokeKey(id));
  const name = neutraliseTerminal(`${key.tenant}/${key.name}`);
  await (flags.json === true ? printJson(key) : print(`Key ${name} (${key.id}) is ${key.state}.\n`));
}
