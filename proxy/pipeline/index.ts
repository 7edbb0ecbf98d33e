import type { CallerAnswer, InboundCall } from './call.ts';
import { capOutput } from './cap-output.ts';
import type { RefusalCollapse } from './collapse.ts';
import { decide } from './decide.ts';
import { forward } from './forward.ts';
import { identify } from './identify.ts';
import { intent } from './intent.ts';
import type { Gate } from './ports.ts';
import { price } from './price.ts';
import { read } from './read.ts';
import { endFaulty } from './refused.ts';
import { reserve } from './reserve.ts';
import { isRefusal, openRun, type Run } from './run.ts';

/** What every run goes through: the joined drivers, and the one place where refusals end. */
export interface Entry {
  gate: Gate;
  collapse: RefusalCollapse;
}

/**
 * The run pipeline: one linear path, in this order.
 *
 * | stage | its permit |
 * | --- | --- |
 * | 1 `identify` | who calls, and to which provider |
 * | 2 `read` | the body and its neutral facts |
 * | 3 `decide` | the request-phase verdict, and the request as its policies changed it; then the tenant's output cap goes into it |
 * | 4 `price` | what it may cost at most |
 * | 5 `reserve` | every limit reserved at once, and the admit-phase verdict on what that says |
 * | 6 `intent` | the run is on record |
 * | 7 `forward`, 8 `observe`, 9 `finish` | the answer, untouched, its last bytes behind the record |
 *
 * A refusal skips to `finish`. Each stage takes the permits of the stages before it, so none can be left out.
 */
export async function governRun(entry: Entry, call: InboundCall, caller: CallerAnswer): Promise<void> {
  const run = openRun(entry.gate, call);
  entry.gate.telemetry.runStarted();
  try {
    await govern(entry.collapse, run, caller);
  } catch (error) {
    endFaulty(run, error, caller);
  }
}

async function govern(collapse: RefusalCollapse, run: Run, caller: CallerAnswer): Promise<void> {
  const identified = identify(run);
  if (isRefusal(identified)) return collapse.end(run, identified, caller);
  run.identified = identified;

  const asked = await read(run, identified);
  if (isRefusal(asked)) return collapse.end(run, asked, caller);
  run.read = asked;

  const decided = await decide(run, identified, asked);
  if (isRefusal(decided)) return collapse.end(run, decided, caller);

  const request = capOutput(run, identified, decided.request);
  run.read = request;
  const quote = price(run, identified, request);

  const reserved = await reserve(run, { identified, asked, request, quote });
  if (isRefusal(reserved)) return collapse.end(run, reserved, caller);

  const intended = intent(run, { identified, asked, request, reserved });
  if (isRefusal(intended)) return collapse.end(run, intended, caller);

  return forward(run, intended, caller);
}
