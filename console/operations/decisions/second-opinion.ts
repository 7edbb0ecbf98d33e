import { type CompiledPolicies, compareOpinions, compileInSteps } from '../../../policy/rules/index.ts';
import type { Principal } from '../../../storage/schema/control.ts';
import { HocError } from '../../../storage/schema/errors.ts';
import type { PolicyEntry } from '../../../storage/schema/snapshot.ts';
import type {
  DifferingDecision,
  SecondOpinionPage,
  SecondOpinionQuery,
  ShownDecision,
} from '../../contract/decisions.ts';
import type { ControlContext } from '../context.ts';
import type { DecidedRun } from '../ports.ts';
import { narrowScope } from '../scope.ts';
import { checkDigests, decideAgain, isOfPolicies, readScopeFacts } from './again.ts';
import { readPolicyDocument } from './documents.ts';
import { listDecisions } from './phases.ts';

const pageRuns = 100;
/** A page that has taken so long ends early; the next goes on there. */
const pageMs = 3_000;
/** How long it may hold the event loop in one go. */
const sliceMs = 10;

/**
 * Judges one page of recorded runs once more, newest first: every condition in scope by json-logic-js beside the engine, and
 * every decision made again by the engine from its recorded context and documents. Reads one page of records, changes nothing.
 */
export async function askSecondOpinion(
  context: ControlContext,
  principal: Principal,
  query: SecondOpinionQuery,
): Promise<SecondOpinionPage> {
  const { since_ms: sinceMs, limit = pageRuns, cursor = null, tenant } = query;
  await checkTenant(context, tenant);
  const rows = await context.runs.decisions(narrowScope(principal, tenant), { limit, sinceMs, below: cursor });
  const count = new Count();
  const breathe = createBreathe(context.now);
  const policies = new Map<string, Promise<SnapshotPolicies | null>>();
  const endMs = context.now() + pageMs;
  let next: string | null = null;
  for (const run of rows) {
    const key = `${run.tenant} ${run.snapshot_id}`;
    const known = policies.get(key) ?? readPolicies(context, run, breathe);
    policies.set(key, known);
    await judgeRun(run, { known: await known, count, breathe });
    next = run.run_id;
    if (context.now() > endMs) break;
  }
  return count.page(next);
}

async function checkTenant(context: ControlContext, tenant: string | undefined): Promise<void> {
  if (tenant === undefined || (await context.store.transaction((tx) => tx.readTenant(tenant))) !== null) return;
  throw new HocError({ code: 'not_found', publicMessage: `There is no tenant \`${tenant}\`` });
}

interface SnapshotPolicies {
  compiled: CompiledPolicies;
  entries: ReadonlyMap<string, PolicyEntry>;
}

type Breathe = () => Promise<void> | undefined;

function createBreathe(nowMs: () => number): Breathe {
  let sinceMs = nowMs();
  return () => {
    if (nowMs() - sinceMs < sliceMs) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        sinceMs = nowMs();
        resolve();
      });
    });
  };
}

/** The policies that decided a run; null where control does not have them, or they do not pass this version's check. */
async function readPolicies(
  context: ControlContext,
  run: DecidedRun,
  breathe: Breathe,
): Promise<SnapshotPolicies | null> {
  const document = await readPolicyDocument(context, run);
  if (document === null) return null;
  const steps = compileInSteps(document.policies);
  try {
    for (;;) {
      const step = steps.next();
      if (step.done === true)
        return { compiled: step.value, entries: new Map(document.policies.map((one) => [one.id, one])) };
      await breathe();
    }
  } catch (error) {
    context.log.warn(
      { err: error, snapshot: run.snapshot_id },
      'policies of a recorded snapshot do not compile any more',
    );
    return null;
  }
}

interface Judging {
  known: SnapshotPolicies | null;
  count: Count;
  breathe: Breathe;
}

async function judgeRun(run: DecidedRun, { known, count, breathe }: Judging): Promise<void> {
  count.runs++;
  const decisions = listDecisions(run);
  if (decisions.length === 0 && run.decision_digest !== null) count.notPossible('its context is not kept any more');
  for (const shown of decisions) {
    if (!isOfPolicies(shown)) continue;
    count.decisions++;
    if (known === null) {
      count.notPossible('the policies of its snapshot are not known');
      continue;
    }
    judgeDecision(run, shown, { known, count });
    await judgeConditions(run, shown, { known, count, breathe });
  }
}

function judgeDecision(run: DecidedRun, shown: ShownDecision, to: { known: SnapshotPolicies; count: Count }): void {
  const place = { run_id: run.run_id, phase: shown.context.phase, policy: null };
  const { context_holds } = checkDigests(shown, run.snapshot_id);
  const { result, decision } = decideAgain(to.known.compiled, shown, run.snapshot_id ?? '');
  if (context_holds && result !== 'different') {
    to.count.again[result]++;
    return;
  }
  to.count.again.different++;
  const [ours, theirs] = [nameVerdict(decision), nameVerdict(shown.decision)];
  to.count.differing.push({ ...place, what: context_holds ? 'decision' : 'context', ours, theirs });
}

function nameVerdict({ verdict, owner }: { verdict: string; owner: string | null }): string {
  return owner === null ? verdict : `${verdict} by ${owner}`;
}

async function judgeConditions(
  run: DecidedRun,
  { context }: ShownDecision,
  { known, count, breathe }: Judging & { known: SnapshotPolicies },
): Promise<void> {
  const { phase } = context;
  if (phase === 'identify' || phase === 'reserve') return;
  const scope = readScopeFacts(context.facts);
  for (const { id, version, inScope } of known.compiled.policiesOf(phase)) {
    const entry = known.entries.get(id);
    if (entry === undefined || inScope?.(scope) === false) continue;
    const compared = compareOpinions(entry, context);
    if (compared.result === 'agrees') count.same++;
    else if (compared.result === 'not_comparable') count.notSupported(compared.why);
    else {
      count.different++;
      const [ours, theirs] = [`${compared.ours}`, `${compared.theirs}`];
      count.differing.push({ run_id: run.run_id, phase, what: 'condition', policy: `${id}@${version}`, ours, theirs });
    }
    await breathe();
  }
}

/** What one page comes to so far. */
class Count {
  runs = 0;
  decisions = 0;
  same = 0;
  different = 0;
  readonly again = { exact: 0, same: 0, different: 0 };
  readonly differing: DifferingDecision[] = [];
  readonly #unsupported = new Map<string, number>();
  readonly #impossible = new Map<string, number>();

  notSupported(why: string): void {
    this.#unsupported.set(why, (this.#unsupported.get(why) ?? 0) + 1);
  }

  notPossible(why: string): void {
    this.#impossible.set(why, (this.#impossible.get(why) ?? 0) + 1);
  }

  page(next: string | null): SecondOpinionPage {
    const { runs, decisions, same, different, again, differing } = this;
    return {
      runs,
      decisions,
      conditions: { same, different, not_supported: Object.fromEntries(this.#unsupported) },
      decided_again: { ...again, not_possible: Object.fromEntries(this.#impossible) },
      differing,
      next,
    };
  }
}
