import type { ExportedRun } from '../installation.ts';
import type { Sighting } from './callers.ts';
import type { Charge } from './ledger.ts';

/** What was found when records were held against what callers saw and what the provider charged. */
export interface RecordCheck {
  /** One sentence for each thing that is not as promised; none is the aim. */
  violations: string[];
  runs: number;
  /** By status. */
  statuses: Record<string, number>;
  /** Runs whose tokens and cost were equal to the ledger's. */
  equal: number;
  /** Runs that carry an estimate, each with its bound. */
  estimated: number;
  recordedNanoUsd: bigint;
  chargedNanoUsd: bigint;
}

/**
 * Holds exported runs against callers' sightings and the provider's ledger, joined by the tag `call`:
 *
 * - no run stands twice, none is running, and what a caller was given an id of is on record (but for refusals because
 *   nothing can be recorded: they may not be);
 * - an answer that a caller saw to its end is a `succeeded` run;
 * - every charge belongs to exactly one run; a run whose usage the provider reported equals its charge to the token and
 *   the nano-USD; any other carries an estimate, named as such, that is not below the charge and not above its bound,
 *   but where `toldOverruns` allows it for streams that HOC cut and whose record says `overrun`;
 * - recorded spend is not below the ledger's.
 */
export function checkRecords(input: {
  runs: readonly ExportedRun[];
  sightings: readonly Sighting[];
  charges: readonly Charge[];
  toldOverruns?: boolean;
}): RecordCheck {
  const check: RecordCheck = {
    violations: [],
    runs: input.runs.length,
    statuses: {},
    equal: 0,
    estimated: 0,
    recordedNanoUsd: 0n,
    chargedNanoUsd: 0n,
  };
  const say = (text: string): void => {
    check.violations.push(text);
  };
  const byId = new Map<string, ExportedRun>();
  const byCall = new Map<string, ExportedRun>();
  for (const run of input.runs) {
    check.statuses[run.status] = (check.statuses[run.status] ?? 0) + 1;
    check.recordedNanoUsd += BigInt(run.cost_nano_usd ?? '0');
    if (byId.has(run.run_id)) say(`run ${run.run_id} stands twice`);
    byId.set(run.run_id, run);
    const call = run.tags.call;
    if (call === undefined) continue;
    if (byCall.has(call)) say(`call ${call} is two runs`);
    byCall.set(call, run);
    if (run.status === 'running') say(`run ${run.run_id} never ended`);
  }
  for (const sighting of input.sightings) checkSighting(sighting, byId, say);
  const charged = new Set<string>();
  for (const charge of input.charges) {
    check.chargedNanoUsd += BigInt(charge.cost_nano_usd);
    const call = charge.run_id ?? '';
    if (charged.has(call)) say(`call ${call} was sent to the provider twice`);
    charged.add(call);
    checkCharge({ charge, run: byCall.get(call), check, say, toldOverruns: input.toldOverruns ?? false });
  }
  for (const [call, run] of byCall) {
    if (!charged.has(call) && run.usage_source === 'provider')
      say(`run ${run.run_id} reports usage that nobody charged`);
  }
  if (check.recordedNanoUsd < check.chargedNanoUsd) {
    say(`recorded spend ${check.recordedNanoUsd} is below the ledger's ${check.chargedNanoUsd}`);
  }
  return check;
}

function checkSighting(sighting: Sighting, byId: Map<string, ExportedRun>, say: (text: string) => void): void {
  if (sighting.runId === null) return;
  const run = byId.get(sighting.runId);
  if (run === undefined && sighting.code === 'spool_full') return;
  if (run === undefined) say(`run ${sighting.runId} (${sighting.end}, ${sighting.status}) is not on record`);
  else if (sighting.end === 'whole' && sighting.status === 200 && run.status !== 'succeeded')
    say(`run ${sighting.runId} was answered whole and is ${run.status}`);
  else if (sighting.end === 'refused' && sighting.status !== 502 && run.status !== 'blocked')
    say(`run ${sighting.runId} was refused with ${sighting.code} and is ${run.status}`);
}

function checkCharge(input: {
  charge: Charge;
  run: ExportedRun | undefined;
  check: RecordCheck;
  toldOverruns: boolean;
  say(text: string): void;
}): void {
  const { charge, run, check, say } = input;
  if (run === undefined) {
    say(`a charge of ${charge.cost_nano_usd} nano-USD for call ${charge.run_id} has no run`);
    return;
  }
  const name = `run ${run.run_id} (${run.status})`;
  if (run.status === 'blocked') say(`${name} was refused and reached the provider`);
  const cost = run.cost_nano_usd === null ? null : BigInt(run.cost_nano_usd);
  const due = BigInt(charge.cost_nano_usd);
  if (run.usage_source === 'provider') {
    const same =
      run.input_tokens === charge.input_tokens &&
      run.output_tokens === charge.produced_output_tokens &&
      (run.cached_input_tokens ?? 0) === charge.cached_input_tokens &&
      cost === due;
    if (same) check.equal += 1;
    else
      say(
        `${name} says ${run.input_tokens}/${run.output_tokens}/${run.cost_nano_usd}, the ledger ${charge.input_tokens}/${charge.produced_output_tokens}/${charge.cost_nano_usd}`,
      );
    return;
  }
  if (run.status === 'succeeded') say(`${name} has no usage though the provider told it`);
  check.estimated += 1;
  if (run.usage_source !== 'estimated') say(`${name} carries no estimate (${run.usage_source})`);
  if (cost === null) {
    say(`${name} has no cost`);
    return;
  }
  if (cost < due) say(`${name} is estimated at ${cost}, below its charge of ${due} nano-USD`);
  const bound = run.reserved_nano_usd;
  const isTold = input.toldOverruns && run.status === 'truncated' && run.marks.includes('overrun');
  if (bound !== null && cost > BigInt(bound) && !isTold)
    say(`${name} is estimated at ${cost}, above its bound of ${bound}`);
}
