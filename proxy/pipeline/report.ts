import type { FinishRecord } from '../../storage/schema/record.ts';
import type { PolicyUse } from './ports.ts';
import type { Run } from './run.ts';

/** Tells the metrics of a run that has ended: its limits' readings and overruns, and the run itself. */
export function reportRun(run: Run, record: FinishRecord): void {
  reportLimits(run, record);
  run.gate.telemetry.runFinished({
    tenant: record.tenant,
    provider: record.provider ?? '',
    dialect: record.dialect ?? '',
    model: run.quote?.price?.id ?? '',
    status: record.status,
    verdict: record.verdict,
    refusalCode: record.refusal_code,
    inputTokens: record.usage.input_tokens ?? 0,
    outputTokens: record.usage.output_tokens ?? 0,
    costNanoUsd: BigInt(record.cost_nano_usd ?? '0'),
    latencyMs: record.latency_ms,
    ttftMs: record.ttft_ms,
    count: record.count,
    degraded: run.marks.has('redis_degraded'),
    marks: record.marks,
    policies: listPolicies(run),
    failedChanges: run.decisions.flatMap(({ context }) => (context.failed_changes ?? []).map(({ change }) => change)),
    stageUs: run.stageUs,
  });
}

/** Policies that matched, once a phase: a stream asks many times. */
function listPolicies({ decisions }: Run): readonly PolicyUse[] {
  if (decisions.length === 0) return [];
  const uses = new Map<string, PolicyUse>();
  for (const { decision, context } of decisions) {
    const lists = { enforce: decision.matched, shadow: decision.shadow };
    for (const mode of ['enforce', 'shadow'] as const) {
      for (const { policy, verdict, indeterminate } of lists[mode]) {
        uses.set(`${context.phase} ${policy}`, { policy, phase: context.phase, mode, verdict, indeterminate });
      }
    }
  }
  return [...uses.values()];
}

function reportLimits(run: Run, record: FinishRecord): void {
  const { telemetry } = run.gate;
  const { reserved } = run;
  reserved?.plan.limits.forEach((limit, index) => {
    const reading = reserved.readings[index];
    const ceiling = Number(limit.ceiling);
    if (reading === undefined || ceiling <= 0) return;
    telemetry.limitUsed(record.tenant, limit.id, Number(reading.used + reading.reserved) / ceiling);
  });
  for (const charge of record.limits) {
    if (BigInt(charge.settled) > BigInt(charge.reserved)) telemetry.limitOverrun(record.tenant, charge.id);
  }
}
