import { HocError } from '../../storage/schema/errors.ts';
import type {
  PolicyAction,
  PolicyEntry,
  PolicyMode,
  PolicyOnError,
  PolicyPhase,
} from '../../storage/schema/snapshot.ts';
import { type CheckedPolicy, checkPolicy } from './check-policies.ts';
import { buildEvaluate, type Evaluate } from './engine.ts';
import { listNeededFacts, listReadFacts } from './expression.ts';
import { factsOf } from './facts.ts';
import { openNames, type PhaseNames } from './names.ts';
import type { Scan } from './scans.ts';
import { compileScope, type MatchScope } from './scope.ts';
import { buildTruth, type EvaluateTruth } from './three-valued.ts';

export interface CompiledPolicy {
  id: string;
  version: number;
  phase: PolicyPhase;
  mode: PolicyMode;
  action: PolicyAction;
  onError: PolicyOnError;
  /** Null matches every run. */
  inScope: MatchScope | null;
  /** Whether its scope names a model: where the model of a run cannot be told, the policy is open. */
  restsOnModel: boolean;
  /** Facts whose absence can leave the condition open. */
  needs: readonly string[];
  /** All facts whose values the condition reads. */
  reads: readonly string[];
  /** The whole condition, for contexts that miss nothing it reads. */
  evaluate: Evaluate;
  /** The same in three values, for all others. */
  evaluateTruth: EvaluateTruth;
}

/** The policies of one document, ready to decide with; independent of the order in which they were listed. */
export interface CompiledPolicies {
  /** Whether the phase has policies at all, in force or in shadow. */
  has(phase: PolicyPhase): boolean;
  /** The policies of a phase by id, in the order of its UTF-8 bytes. */
  policiesOf(phase: PolicyPhase): readonly CompiledPolicy[];
  find(id: string): CompiledPolicy | undefined;
  /**
   * The facts that the phase's policies name, in conditions and scopes, scans by their derived names: exactly what its
   * context holds. Sorted, unique.
   */
  factsNamed(phase: PolicyPhase): readonly string[];
  /** The scans of contents that this phase brings, for policies of whichever phase. Sorted by name, unique. */
  scansNamed(phase: PolicyPhase): readonly Scan[];
  /** The detectors to run on the text that this phase brings, for policies of whichever phase, or to redact there. Sorted. */
  detectorsNamed(phase: PolicyPhase): readonly string[];
}

/**
 * Compiles the policies of one document at once: about 70 us a policy.
 * Throws `configuration_invalid` with the findings of `checkPolicies`; a document that control published has none.
 */
export function compilePolicies(policies: readonly PolicyEntry[]): CompiledPolicies {
  const steps = compileInSteps(policies);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/**
 * The same, yielding after each policy, so that a caller can stop after a few milliseconds and go on later: a proxy that
 * takes a new document must not hold up its streams. Throws like `compilePolicies`.
 */
export function* compileInSteps(policies: readonly PolicyEntry[]): Generator<void, CompiledPolicies> {
  const compiled = new Map<string, CompiledPolicy>();
  const names = openNames();
  for (const [index, policy] of policies.entries()) {
    const one = checkOne(policy, index);
    const { id } = one.entry;
    if (compiled.has(id)) throw invalid([{ field: `policies[${index}].id`, message: 'this policy id is used twice' }]);
    compiled.set(id, compilePolicy(one));
    names.add(one);
    yield;
  }
  return gather(compiled, names.settle());
}

const facts = factsOf();

function checkOne(policy: PolicyEntry, index: number): CheckedPolicy {
  const { faults, checked } = checkPolicy(policy, facts);
  if (checked === null)
    throw invalid(faults.map(({ path, message }) => ({ field: `policies[${index}]${path}`, message })));
  return checked;
}

function gather(compiled: ReadonlyMap<string, CompiledPolicy>, names: PhaseNames): CompiledPolicies {
  const sorted = [...compiled.values()].sort((a, b) => compareIds(a.id, b.id));
  const byPhase = (phase: PolicyPhase) => sorted.filter((policy) => policy.phase === phase);
  const lists = {
    request: byPhase('request'),
    admit: byPhase('admit'),
    response: byPhase('response'),
    stream: byPhase('stream'),
  };
  return {
    has: (phase) => lists[phase].length > 0,
    policiesOf: (phase) => lists[phase],
    find: (id) => compiled.get(id),
    factsNamed: (phase) => names[phase].facts,
    scansNamed: (phase) => names[phase].scans,
    detectorsNamed: (phase) => names[phase].detectors,
  };
}

function compilePolicy({ entry, expression }: CheckedPolicy): CompiledPolicy {
  return {
    id: entry.id,
    version: entry.version,
    phase: entry.phase,
    mode: entry.mode,
    action: entry.then,
    onError: entry.on_error,
    inScope: compileScope(entry.scope),
    restsOnModel: entry.scope.model !== undefined,
    needs: listNeededFacts(expression),
    reads: listReadFacts(expression),
    evaluate: buildEvaluate(expression),
    evaluateTruth: buildTruth(expression),
  };
}

function invalid(places: readonly { field: string; message: string }[]): HocError {
  const findings = places.map((place) => ({ file: null, line: null, ...place }));
  return new HocError({ code: 'configuration_invalid', publicMessage: 'a policy cannot be compiled', findings });
}

/** By UTF-8 bytes: ids are ASCII, whose UTF-16 units come in the same order. */
function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
