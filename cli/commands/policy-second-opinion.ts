import { type Command, InvalidArgumentError } from 'commander';
import type { DifferingDecision, SecondOpinionPage } from '../../console/contract/index.ts';
import { withControl } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { print, printJson } from '../output/print.ts';
import { neutraliseTerminal } from '../output/terminal.ts';

interface OpinionFlags {
  tenant?: string;
  since?: number;
  limit: number;
  data?: string;
  json?: boolean;
}

const help = `
json-logic-js, the reference in JavaScript, is asked about every condition that it can express, on the recorded facts, and must
come to what the engine comes to; and the engine decides every run again from its recorded facts and policies, and must come
to the recorded decision and digest. Ends with exit code 1 where one differs. Newest runs first.

Examples:
  $ hoc policy second-opinion
  $ hoc policy second-opinion --tenant acme --since 7d --limit 100000`;

const pageRuns = 100;
const dayMs = 86_400_000;
const unitsMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: dayMs, w: 7 * dayMs };

/** Adds `hoc policy second-opinion`. */
export function addPolicySecondOpinion(policy: Command, env: NodeJS.ProcessEnv): void {
  policy
    .command('second-opinion')
    .description('Judge recorded runs once more, by another engine and by our own.')
    .option('-t, --tenant <slug>', 'only this tenant')
    .option('--since <time>', 'how far back, such as 30m, 24h or 7d (default: 24h)', parseSince)
    .option('-l, --limit <n>', 'most runs', parseLimit, 10_000)
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', help)
    .action(async (_flags: OpinionFlags, command: Command) => {
      const flags = command.optsWithGlobals<OpinionFlags>();
      const found = await askAll(flags, env);
      await (flags.json === true ? printJson(found) : print(formatOpinion(found)));
      if (found.differing.length > 0) process.exitCode = exitCodes.failure;
    });
}

async function askAll(flags: OpinionFlags, env: NodeJS.ProcessEnv): Promise<SecondOpinionPage> {
  const since = Date.now() - (flags.since ?? dayMs);
  return withControl(flags, env, async (client) => {
    let sum: SecondOpinionPage | null = null;
    for (;;) {
      const page: SecondOpinionPage = await client.askSecondOpinion({
        since_ms: Math.max(0, since),
        limit: Math.min(pageRuns, flags.limit - (sum?.runs ?? 0)),
        ...(flags.tenant === undefined ? {} : { tenant: flags.tenant }),
        ...(sum === null || sum.next === null ? {} : { cursor: sum.next }),
      });
      sum = sum === null ? page : add(sum, page);
      if (page.next === null || sum.runs >= flags.limit) return sum;
    }
  });
}

function add(a: SecondOpinionPage, b: SecondOpinionPage): SecondOpinionPage {
  return {
    runs: a.runs + b.runs,
    decisions: a.decisions + b.decisions,
    conditions: {
      same: a.conditions.same + b.conditions.same,
      different: a.conditions.different + b.conditions.different,
      not_supported: addReasons(a.conditions.not_supported, b.conditions.not_supported),
    },
    decided_again: {
      exact: a.decided_again.exact + b.decided_again.exact,
      same: a.decided_again.same + b.decided_again.same,
      different: a.decided_again.different + b.decided_again.different,
      not_possible: addReasons(a.decided_again.not_possible, b.decided_again.not_possible),
    },
    differing: [...a.differing, ...b.differing],
    next: b.next,
  };
}

type Reasons = Readonly<Record<string, number>>;

function addReasons(a: Reasons, b: Reasons): Reasons {
  const sum = new Map(Object.entries(a));
  for (const [why, count] of Object.entries(b)) sum.set(why, (sum.get(why) ?? 0) + count);
  return Object.fromEntries(sum);
}

function formatOpinion({
  runs,
  decisions,
  conditions,
  decided_again: again,
  differing,
  next,
}: SecondOpinionPage): string {
  const lines = [
    `${runs} runs, ${decisions} decisions of policies${next === null ? '' : '; stopped at --limit, there may be older ones'}`,
    '',
    'conditions, beside json-logic-js',
    ...formatCounts([
      ['same', conditions.same],
      ['different', conditions.different],
    ]),
    ...formatReasons('not supported', conditions.not_supported),
    '',
    'decisions, made again from what is recorded',
    ...formatCounts([
      ['exact', again.exact],
      ['same, by another version of the engine', again.same],
      ['different', again.different],
    ]),
    ...formatReasons('not possible', again.not_possible),
    ...(differing.length === 0 ? [] : ['', ...differing.map(formatDiffering)]),
  ];
  return `${lines.map(neutraliseTerminal).join('\n')}\n`;
}

function formatCounts(counts: readonly [string, number][]): string[] {
  return counts.map(([name, count]) => `${`${count}`.padStart(10)}  ${name}`);
}

function formatReasons(name: string, reasons: Reasons): string[] {
  const sorted = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  return [...formatCounts([[name, total]]), ...sorted.map(([why, count]) => `${`${count}`.padStart(14)}  ${why}`)];
}

const sides: Readonly<Record<DifferingDecision['what'], readonly [ours: string, theirs: string]>> = {
  condition: ['engine', 'json-logic-js'],
  decision: ['now', 'recorded'],
  context: ['now', 'recorded, with a context that does not have its digest'],
};

function formatDiffering({ run_id, phase, what, policy, ours, theirs }: DifferingDecision): string {
  const [ourName, theirName] = sides[what];
  return `run ${run_id} ${phase}${policy === null ? '' : ` policy ${policy}`}: ${ours} (${ourName}), ${theirs} (${theirName})`;
}

function parseSince(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const unitMs = unitsMs[unit];
  if (unitMs === undefined || Number(digits) === 0)
    throw new InvalidArgumentError('Expected a number and m, h, d or w, such as 24h.');
  return Number(digits) * unitMs;
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,9}$/.test(text) || limit < 1) throw new InvalidArgumentError('Expected a number from 1.');
  return limit;
}
