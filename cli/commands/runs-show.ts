import type { Command } from 'commander';
import type { ShownDecision, ShownRun } from '../../console/contract/index.ts';
import { withControl } from '../connection.ts';
import { formatCharge } from '../output/charge.ts';
import { formatUsd } from '../output/money.ts';
import { print, printJson } from '../output/print.ts';
import { neutraliseTerminal } from '../output/terminal.ts';

interface ShowFlags {
  data?: string;
  json?: boolean;
}

/** Adds `hoc runs show`. */
export function addRunsShow(runs: Command, env: NodeJS.ProcessEnv): void {
  runs
    .command('show')
    .description('Show one run: what it was, what was decided and why, and its events.')
    .argument('<run-id>', 'the id from x-hoc-run-id or "hoc runs list"')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText(
      'after',
      '\n"hoc runs explain" tells which facts made which condition hold.\n\nExample:\n  $ hoc runs show 0192f0c1-2d3e-7abc-8def-0123456789ab',
    )
    .action(async (id: string, _flags: ShowFlags, command: Command) => {
      const flags = command.optsWithGlobals<ShowFlags>();
      const run = await withControl(flags, env, (client) => client.showRun(id));
      await (flags.json === true ? printJson(run) : print(formatRun(run)));
    });
}

function formatRun(run: ShownRun): string {
  const actor = run.actor_id === null ? null : `${run.actor_type}:${run.actor_id} (${run.actor_source})`;
  const tokens = `${run.input_tokens ?? '-'} in, ${run.output_tokens ?? '-'} out (${run.usage_source})`;
  const tags = Object.entries(run.tags).map(([name, value]) => `${name}=${value}`);
  const facts: [string, string | number | null][] = [
    ['run', run.run_id],
    ['status', run.count > 1 ? `${run.status}, ${run.count} identical refusals` : run.status],
    ['outcome', run.outcome],
    ['verdict', run.verdict],
    ['decided by', run.decided_by],
    ['reason', run.reason],
    ['refusal', run.refusal_code === null ? null : `${run.refusal_code} (HTTP ${run.http_status})`],
    ['tenant', [run.tenant, run.sub_tenant].filter((part) => part !== null).join('/')],
    ['key', run.key_id],
    ['actor', actor],
    ['session', run.session_id],
    ['tags', tags.length === 0 ? null : tags.join(', ')],
    ['call', `${run.method} ${run.provider} ${run.route} (${run.dialect}${run.streamed ? ', streamed' : ''})`],
    ['model', run.model],
    ['tokens', tokens],
    ['cost', run.status === 'running' ? null : formatUsd(run.cost_nano_usd)],
    ['reserved', run.reserved_nano_usd === null ? null : formatUsd(run.reserved_nano_usd)],
    ['latency', run.latency_ms === null ? null : `${run.latency_ms} ms, first token ${run.ttft_ms ?? '-'} ms`],
    ['marks', run.marks.length === 0 ? null : run.marks.join(', ')],
    ['bodies', run.payloads.length === 0 ? null : run.payloads.map(formatPayload).join(', ')],
    ['started', new Date(run.started_at).toISOString()],
    ['snapshot', run.snapshot_id],
    ['decision', run.decision_digest],
    ['record', `${run.proxy_id} epoch ${run.proxy_epoch} sequence ${run.proxy_seq}, leaf ${run.leaf_hash}`],
  ];
  const shown = facts.filter(([, value]) => value !== null && value !== '');
  const lines = shown.map(([name, value]) => `  ${name.padEnd(11)} ${neutraliseTerminal(String(value))}`);
  const events = run.events.map(({ stage, at_us, detail }) =>
    neutraliseTerminal(`  ${`${(at_us / 1000).toFixed(2)} ms`.padStart(13)}  ${stage.padEnd(9)} ${detail}`),
  );
  const limits = run.limits.map((charge) => neutraliseTerminal(`  ${formatCharge(charge)}`));
  const decisions = run.decisions.flatMap(formatDecision).map((line) => neutraliseTerminal(`  ${line}`));
  const parts = [lines, decisions, limits, events].filter((part) => part.length > 0);
  return `${parts.map((part) => part.join('\n')).join('\n\n')}\n`;
}

/** The bodies themselves are for programs: --json has them. */
function formatPayload({ part, stored_bytes, whole_bytes, redacted }: ShownRun['payloads'][number]): string {
  const size =
    redacted || stored_bytes === whole_bytes ? `${stored_bytes} bytes` : `${stored_bytes} of ${whole_bytes} bytes`;
  return `${part} ${size}${redacted ? ', redacted' : ''}`;
}

/** What one phase decided: its verdict and owner, each change and its fate, what policies in shadow say, its tags. */
function formatDecision({ context, decision }: ShownDecision): string[] {
  const { verdict, owner, reason, modifications, shadow, tags } = decision;
  const by = owner === null ? '' : ` by ${owner}`;
  const changes = modifications.map(
    ({ policy, version, change, detail, applied, why }) =>
      `${change} ${detail} of policy ${policy} v${version}: ${applied ? 'applied' : `not applied, ${why ?? ''}`}`,
  );
  const tagged = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  const shadowed = shadow.map(
    ({ policy, version, verdict: said, reason: why }) => `in shadow: policy ${policy} v${version} says ${said}: ${why}`,
  );
  const more = [...changes, ...shadowed, ...(tagged.length === 0 ? [] : [`tags ${tagged.join(', ')}`])];
  const head = `${`${context.phase} phase`.padEnd(14)} ${verdict}${by}${reason === '' ? '' : `: ${reason}`}`;
  return [head, ...more.map((line) => `${' '.repeat(15)}${line}`)];
}
