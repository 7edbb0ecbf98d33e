import type { Decision, Modification, PolicyMatch } from '../../storage/schema/decision.ts';
import type { DecimalText, PolicyChange } from '../../storage/schema/snapshot.ts';
import type { CompiledPolicies, CompiledPolicy } from './compile.ts';

/** What is left of all matching changes, for a dialect to make. Absent: nothing of that kind. */
export interface PlannedChanges {
  capOutputTokens?: number;
  model?: string;
  dropTools?: readonly string[] | 'all';
  /** In the order in which they are to stand. */
  addSystem?: readonly string[];
  set?: readonly { parameter: string; value: boolean | number | string | DecimalText }[];
  remove?: readonly string[];
  /** Detectors whose findings are to be replaced. Sorted. */
  redact?: readonly string[];
}

export interface ChangePlan {
  changes: PlannedChanges;
  /** Every change that was asked for, in policy-id order, with what lost and why. */
  modifications: readonly Modification[];
}

/** A kind of change that could not be made, and why: a constant sentence, never text of a caller. */
export interface FailedChange {
  change: PolicyChange['change'];
  why: string;
}

interface Asked {
  policy: CompiledPolicy;
  change: PolicyChange;
}

/**
 * What the matching `modify` policies of a decision come to: smallest cap (of equal ones the lowest id), first swap, tools
 * and detectors together, instructions in id order, the first change of a parameter. Nothing where the verdict is deny or
 * hold. Pure; never throws.
 */
export function planChanges(compiled: CompiledPolicies, decision: Pick<Decision, 'verdict' | 'matched'>): ChangePlan {
  if (decision.verdict === 'deny' || decision.verdict === 'hold') return { changes: {}, modifications: [] };
  const asked = listAsked(compiled, decision.matched);
  if (asked.length === 0) return { changes: {}, modifications: [] };
  const losses = new Map<Asked, string>();
  const changes: PlannedChanges = {};
  planOutputCap(asked, changes, losses);
  planModel(asked, changes, losses);
  planParameters(asked, changes, losses);
  const dropped = pick(asked, 'drop_tools').map(({ change }) => change.tools);
  const names = dropped.flatMap((tools) => (tools === 'all' ? [] : tools));
  if (dropped.length > 0) changes.dropTools = dropped.includes('all') ? 'all' : [...new Set(names)].sort();
  const redacted = pick(asked, 'redact').flatMap(({ change }) => change.detectors);
  if (redacted.length > 0) changes.redact = [...new Set(redacted)].sort();
  const added = pick(asked, 'add_system').map(({ change }) => change.text);
  if (added.length > 0) changes.addSystem = added;
  return { changes, modifications: asked.map((one) => describe(one, losses.get(one) ?? null)) };
}

/**
 * What stands on record for a policy one of whose changes could not be made: none of them was applied. Empty where nothing
 * that it asks for failed.
 */
export function listUnapplied(policy: CompiledPolicy, failed: readonly FailedChange[]): readonly Modification[] {
  if (policy.action.action !== 'modify') return [];
  const { changes } = policy.action;
  const reasons = new Map<string, string>(failed.map(({ change, why }) => [change, why]));
  if (!changes.some(({ change }) => reasons.has(change))) return [];
  const other = 'another change of its policy could not be made';
  return changes.map((change) => describe({ policy, change }, reasons.get(change.change) ?? other));
}

function listAsked(compiled: CompiledPolicies, matched: readonly PolicyMatch[]): Asked[] {
  return matched.flatMap(({ policy: id, verdict }) => {
    const policy = verdict === 'modify' ? compiled.find(id) : undefined;
    if (policy?.action.action !== 'modify') return [];
    return policy.action.changes.map((change) => ({ policy, change }));
  });
}

type Of<Name extends PolicyChange['change']> = Asked & { change: Extract<PolicyChange, { change: Name }> };

function pick<Name extends PolicyChange['change']>(asked: readonly Asked[], name: Name): Of<Name>[] {
  return asked.filter((one): one is Of<Name> => one.change.change === name);
}

type Losses = Map<Asked, string>;

function planOutputCap(asked: readonly Asked[], changes: PlannedChanges, losses: Losses): void {
  const caps = pick(asked, 'cap_output');
  const smallest = Math.min(...caps.map(({ change }) => change.tokens));
  const winner = caps.find(({ change }) => change.tokens === smallest);
  if (winner === undefined) return;
  changes.capOutputTokens = smallest;
  for (const cap of caps) if (cap !== winner) losses.set(cap, `policy ${winner.policy.id} caps at ${smallest}`);
}

function planModel(asked: readonly Asked[], changes: PlannedChanges, losses: Losses): void {
  const [winner, ...others] = pick(asked, 'swap_model');
  if (winner === undefined) return;
  changes.model = winner.change.model;
  for (const other of others) losses.set(other, `policy ${winner.policy.id} swapped the model before`);
}

function planParameters(asked: readonly Asked[], changes: PlannedChanges, losses: Losses): void {
  const first = new Map<string, string>();
  const set: { parameter: string; value: boolean | number | string | DecimalText }[] = [];
  const remove: string[] = [];
  for (const one of asked) {
    const { change, policy } = one;
    if (change.change !== 'set' && change.change !== 'remove') continue;
    const before = first.get(change.parameter);
    if (before !== undefined) losses.set(one, `policy ${before} changed this parameter before`);
    else if (change.change === 'set') set.push({ parameter: change.parameter, value: change.value });
    else remove.push(change.parameter);
    if (before === undefined) first.set(change.parameter, policy.id);
  }
  if (set.length > 0) changes.set = set;
  if (remove.length > 0) changes.remove = remove;
}

function describe({ policy, change }: Asked, why: string | null): Modification {
  const { id, version } = policy;
  return { policy: id, version, change: change.change, detail: detailOf(change), applied: why === null, why };
}

function detailOf(change: PolicyChange): string {
  switch (change.change) {
    case 'cap_output':
      return `${change.tokens}`;
    case 'swap_model':
      return change.model;
    case 'drop_tools':
      return change.tools === 'all' ? 'all' : change.tools.join(',');
    case 'redact':
      return change.detectors.join(',');
    case 'add_system':
      return `${change.text.length} characters`;
    case 'set':
      return `${change.parameter}=${typeof change.value === 'object' ? change.value.decimal : JSON.stringify(change.value)}`;
    case 'remove':
      return change.parameter;
  }
}
