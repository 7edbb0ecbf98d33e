import { hash } from 'node:crypto';
import type { FactValue } from '../../storage/schema/decision.ts';
import type { SessionCounts } from './ports.ts';
import { firstOf, type ReadFact } from './read-fact.ts';
import { enterDecision, refuseByDecision, rule } from './rule.ts';
import type { Identified, Read, Refusal, Reserved, Run } from './run.ts';

/** What the policies of the admit phase are asked on, beside the facts of the request. */
export interface Admission {
  identified: Identified;
  request: Read;
  reserved: Reserved;
  session: SessionCounts | null;
}

/**
 * Asks Redis how often this session ran, where a policy of the admit phase wants to know. Asked in the same turn as the
 * reservation, so that both take one round trip. Null where it is not asked or not answered.
 */
export function noteSession(run: Run, { tenant }: Identified): Promise<SessionCounts | null> | null {
  const isAsked = tenant.policies.factsNamed('admit').some((name) => name.startsWith('session.'));
  const prompt = run.texts?.prompt ?? null;
  if (!isAsked || run.session === null) return null;
  return run.gate.sessions.note({
    tenant: tenant.tenant,
    runId: run.id,
    sessionDigest: hash('sha256', run.session, 'hex'),
    // Without a prompt that can be read no run repeats another.
    promptDigest: prompt === null ? run.id : hash('sha256', prompt, 'hex'),
  });
}

/** Asks the policies of the admit phase. Null: the run goes on; without such policies nothing is asked. */
export function admit(run: Run, admission: Admission): Refusal | null {
  const { identified, request } = admission;
  if (!identified.tenant.policies.has('admit')) return null;
  run.readFact = firstOf(run.readFact, readAdmission(admission));
  const record = rule(run, { identified, request, phase: 'admit', atMs: run.startedAtMs, read: run.readFact });
  enterDecision(run, record);
  return refuseByDecision(record.decision);
}

const percentPrefix = 'readings.percent.';
const remainingPrefix = 'readings.remaining.';

function readAdmission({ reserved, session }: Admission): ReadFact {
  const uses = reserved.plan.limits.flatMap(({ id, ceiling }, index) => {
    const reading = reserved.readings[index];
    return reading === undefined ? [] : [{ id, ceiling, taken: reading.used + reading.reserved }];
  });
  const find = (id: string) => uses.find((use) => use.id === id);
  return (name): FactValue | undefined => {
    if (name === 'readings.highest_percent') return uses.length === 0 ? undefined : Math.max(...uses.map(percentOf));
    if (name.startsWith(percentPrefix)) return optional(find(name.slice(percentPrefix.length)), percentOf);
    if (name.startsWith(remainingPrefix)) return optional(find(name.slice(remainingPrefix.length)), remainingOf);
    if (session === null) return undefined;
    if (name === 'session.runs') return session.runs;
    if (name === 'session.runs_last_minute') return session.runsLastMinute;
    return name === 'session.same_prompt' ? session.samePrompt : undefined;
  };
}

interface Use {
  ceiling: bigint;
  taken: bigint;
}

function optional<T>(use: Use | undefined, compute: (use: Use) => T): T | undefined {
  return use === undefined ? undefined : compute(use);
}

/** Rounded up, so that a mark that was touched is never missed. */
function percentOf({ ceiling, taken }: Use): number {
  return ceiling === 0n ? 100 : Number((taken * 100n + ceiling - 1n) / ceiling);
}

function remainingOf({ ceiling, taken }: Use): string {
  return (taken >= ceiling ? 0n : ceiling - taken).toString();
}
