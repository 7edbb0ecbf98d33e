import { type Command, InvalidArgumentError, Option } from 'commander';
import type { RunsQuery } from '../../console/contract/index.ts';
import type { RunRow } from '../../storage/schema/run.ts';
import { withControl } from '../connection.ts';
import { formatUsd } from '../output/money.ts';
import { print, printJson } from '../output/print.ts';
import { formatTable } from '../output/table.ts';
import { addRunsExplain } from './runs-explain.ts';
import { addRunsExport } from './runs-export.ts';
import { addRunsShow } from './runs-show.ts';

interface ListFlags {
  limit: number;
  cursor?: string;
  tenant?: string;
  status?: string;
  outcome?: string;
  provider?: string;
  model?: string;
  key?: string;
  actor?: string;
  session?: string;
  data?: string;
  json?: boolean;
}

const statuses = ['running', 'succeeded', 'failed', 'blocked', 'truncated', 'cancelled', 'abandoned'];

/** Adds `hoc runs list | show | explain | export`. */
export function addRuns(program: Command, env: NodeJS.ProcessEnv): void {
  const runs = program.command('runs').description('Look at runs.');
  runs
    .command('list')
    .description('List runs, newest first.')
    .option('-l, --limit <n>', 'how many, 1 to 500', parseLimit, 20)
    .option('--cursor <cursor>', 'go on where an earlier list ended')
    .option('-t, --tenant <slug>', 'only this tenant')
    .addOption(new Option('--status <status>', 'only this status').choices(statuses))
    .addOption(
      new Option('--outcome <outcome>', 'only this outcome').choices([
        'success',
        'near_threshold',
        'failure',
        'prevented',
      ]),
    )
    .option('--provider <slug>', 'only this provider')
    .option('--model <model>', 'only this model')
    .option('--key <id>', 'only this key (public id)')
    .option('--actor <id>', 'only this actor')
    .option('--session <id>', 'only this session')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hoc runs list\n  $ hoc runs list --status blocked --limit 100\n  $ hoc runs list --json',
    )
    .action(async (_flags: ListFlags, command: Command) => listRuns(command.optsWithGlobals<ListFlags>(), env));
  addRunsShow(runs, env);
  addRunsExplain(runs, env);
  addRunsExport(runs, env);
}

async function listRuns(flags: ListFlags, env: NodeJS.ProcessEnv): Promise<void> {
  const page = await withControl(flags, env, (client) => client.listRuns(queryOf(flags)));
  if (flags.json === true) return printJson(page);
  if (page.runs.length === 0) return print('No runs yet. Send one through the proxy, or widen the filter.\n');
  const more = page.next === null ? '' : `\nMore with: --cursor ${page.next}\n`;
  await print(`${formatTable(columns, page.runs.map(rowOf))}\n${more}`);
}

function queryOf(flags: ListFlags): RunsQuery {
  const wanted = {
    limit: flags.limit,
    cursor: flags.cursor,
    tenant: flags.tenant,
    status: flags.status,
    outcome: flags.outcome,
    provider: flags.provider,
    model: flags.model,
    key_id: flags.key,
    actor_id: flags.actor,
    session_id: flags.session,
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
}

const columns = [
  { title: 'RUN' },
  { title: 'STARTED' },
  { title: 'TENANT', max: 20 },
  { title: 'PROVIDER', max: 20 },
  { title: 'MODEL', max: 28 },
  { title: 'STATUS' },
  { title: 'DECIDED BY', max: 32 },
  { title: 'IN', right: true },
  { title: 'OUT', right: true },
  { title: 'COST', right: true },
  { title: 'MS', right: true },
];

function rowOf(run: RunRow): (string | number | null)[] {
  const status = run.count > 1 ? `${run.status} x${run.count}` : run.status;
  return [
    run.run_id,
    new Date(run.started_at).toISOString().replace('T', ' ').slice(0, 19),
    run.tenant,
    run.provider,
    run.model,
    status,
    run.decided_by,
    run.input_tokens,
    run.output_tokens,
    run.status === 'running' ? null : formatUsd(run.cost_nano_usd),
    run.latency_ms,
  ];
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,3}$/.test(text) || limit < 1 || limit > 500)
    throw new InvalidArgumentError('Expected a number from 1 to 500.');
  return limit;
}
