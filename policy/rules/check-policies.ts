import type { Finding } from '../../storage/schema/errors.ts';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { weighPatterns } from '../detectors/index.ts';
import { checkAction } from './check-action.ts';
import { checkCondition } from './check-condition.ts';
import { type Expression, listScans } from './expression.ts';
import { type FactSource, factsOf, isPhase, isTagName, phases } from './facts.ts';
import { copyPlain, readMember } from './plain-json.ts';
import { quote } from './quote.ts';
import { scopeFields, splitTag } from './scope.ts';
import type { Fault } from './walk.ts';

const maxPolicies = 5_000;
/** Microseconds that the policies of one phase may take together: all of them in scope, on facts of full length. */
const maxPhaseWork = 5_000;
/** Scans of one phase's policies. Each reads a whole prompt or answer, beside the event loop. */
const maxScans = 256;
/** Units of `weighPatterns` for what all policies look for in the window of a stream: 4 ms of a text that is made for them. */
const maxStreamWeight = 100;
const maxScopeLength = 250;
const idForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Names outside the policies that conditions may use. */
export interface KnownNames {
  /** Ids of the tenant's limits, for `readings.`. */
  limits: readonly string[];
}

/** A policy that passed its check on its own, as a copy that nothing can change any more. */
export interface CheckedPolicy {
  entry: PolicyEntry;
  expression: Expression;
  /** Where each part of the condition stands below `when`. */
  paths: ReadonlyMap<Expression, string>;
  /** Microseconds of the worst case, an upper bound. */
  work: number;
}

/**
 * Checks the policies of one document, whole, before any is used: ids, versions, phase, scope, action, condition, and what
 * all of a phase cost together.
 *
 * `where` names the place of a policy (default `policies[0]`); a finding's `field` is that place and the path below it. With
 * `known` a reading of a limit that is not listed is refused. Takes any input, also one that breaks its type. An empty answer
 * means that `compilePolicies` takes them. Never throws.
 */
export function checkPolicies(
  policies: readonly PolicyEntry[],
  where: (index: number) => string = (index) => `policies[${index}]`,
  known?: KnownNames,
): Finding[] {
  if (policies.length > maxPolicies) {
    return [toFinding(where(maxPolicies), { path: '', message: `more than ${maxPolicies} policies` })];
  }
  const findings: Finding[] = [];
  const facts = factsOf(known?.limits);
  const seen = new Set<unknown>();
  const load = new Map<string, PhaseLoad>();
  for (const [index, policy] of policies.entries()) {
    const { faults, checked, id } = checkPolicy(policy, facts);
    const all = [...faults];
    if (typeof id === 'string' && seen.has(id))
      all.push({ path: '.id', message: `policy id ${quote(id)} is used twice` });
    seen.add(id);
    if (checked !== null) all.push(...addLoad(load, checked));
    for (const fault of all) findings.push(toFinding(where(index), fault));
  }
  return findings;
}

interface PhaseLoad {
  work: number;
  scans: Set<string>;
  /** What is looked for in the window of a stream, and what it costs. */
  patterns: Set<string>;
  weight: number;
}

/** Adds a policy to what its phase costs, and says so at the policy that goes beyond the bound. */
function addLoad(loads: Map<string, PhaseLoad>, { entry, expression, work }: CheckedPolicy): Fault[] {
  const load = loads.get(entry.phase) ?? { work: 0, scans: new Set(), patterns: new Set(), weight: 0 };
  loads.set(entry.phase, load);
  const before = { work: load.work, scans: load.scans.size, weight: load.weight, patterns: load.patterns.size };
  load.work += work;
  for (const scan of listScans(expression)) {
    load.scans.add(scan.name);
    if (scan.test === 'matches' && scan.fact.startsWith('stream.')) load.patterns.add(scan.pattern);
  }
  if (load.patterns.size > before.patterns && before.weight <= maxStreamWeight)
    load.weight = weighPatterns([...load.patterns]);
  return compareLoads(before, { ...load, scans: load.scans.size }, entry.phase);
}

type LoadSizes = Readonly<Record<'work' | 'scans' | 'weight', number>>;

function compareLoads(before: LoadSizes, after: LoadSizes, phase: PolicyEntry['phase']): Fault[] {
  const faults: Fault[] = [];
  if (before.work <= maxPhaseWork && after.work > maxPhaseWork) {
    const message = `with this policy all ${phase} policies together take too much work (beyond ${maxPhaseWork}); search fewer texts or lists`;
    faults.push({ path: '.when', message });
  }
  if (before.scans <= maxScans && after.scans > maxScans) {
    const message = `with this policy the ${phase} policies make more than ${maxScans} scans of contents`;
    faults.push({ path: '.when', message });
  }
  if (before.weight <= maxStreamWeight && after.weight > maxStreamWeight) {
    const message =
      'with this policy the patterns looked for in streams take more than 4 ms for 4,096 characters of a text made for them; shorten their repetitions';
    faults.push({ path: '.when', message });
  }
  return faults;
}

/** Everything that is wrong with one policy on its own; where nothing is, the policy with a typed condition. */
export function checkPolicy(
  policy: unknown,
  facts: FactSource = factsOf(),
): { faults: readonly Fault[]; checked: CheckedPolicy | null; id: unknown } {
  let head: Readonly<Record<string, unknown>>;
  try {
    if (!isRecord(policy)) return { faults: [{ path: '', message: 'a policy is an object' }], checked: null, id: null };
    const fields = ['id', 'version', 'phase', 'mode', 'scope', 'then', 'on_error'];
    head = Object.fromEntries(fields.map((field) => [field, copyPlain(readMember(policy, field))]));
    head = { ...head, when: readMember(policy, 'when') };
  } catch {
    // Only what JSON cannot hold throws when it is read: a getter, a proxy, a class instance.
    return { faults: [{ path: '', message: 'not plain JSON' }], checked: null, id: null };
  }
  const phase = isPhase(head.phase) ? head.phase : 'request';
  const condition = checkCondition(head.when, phase, facts);
  const faults = [...checkHead(head), ...checkScope(head.scope), ...checkAction(head.then, phase)];
  if (!condition.ok) faults.push(...condition.faults.map(({ path, message }) => ({ path: `.when${path}`, message })));
  if (!condition.ok || faults.length > 0) return { faults, checked: null, id: head.id };
  const entry = head as unknown as PolicyEntry;
  const { expression, work, paths } = condition;
  return { faults, checked: { entry, expression, work, paths }, id: entry.id };
}

function checkHead(policy: Readonly<Record<string, unknown>>): Fault[] {
  const faults: Fault[] = [];
  const expect = (holds: boolean, path: string, message: string) => {
    if (!holds) faults.push({ path, message });
  };
  const { id, version, phase, mode, on_error: onError } = policy;
  expect(
    typeof id === 'string' && idForm.test(id),
    '.id',
    'an id is 1 to 128 letters, digits, dots, dashes, underscores',
  );
  expect(Number.isSafeInteger(version) && Number(version) >= 1, '.version', 'a version is an integer from 1');
  expect(isPhase(phase), '.phase', `expected one of ${phases.join(' ')}`);
  expect(mode === 'enforce' || mode === 'shadow', '.mode', 'expected "enforce" or "shadow"');
  expect(onError === 'deny' || onError === 'allow', '.on_error', 'expected "deny" or "allow"');
  return faults;
}

function checkScope(scope: unknown): Fault[] {
  if (!isRecord(scope)) return [{ path: '.scope', message: 'a scope is an object; {} is every run' }];
  const faults: Fault[] = [];
  for (const [field, value] of Object.entries(scope)) {
    const path = `.scope.${field.slice(0, maxScopeLength)}`;
    const known = [...scopeFields.keys()].find((name) => name === field);
    if (known === undefined) {
      faults.push({ path, message: `unknown scope field; known: ${[...scopeFields.keys()].join(' ')}` });
    } else if (typeof value !== 'string' || value === '' || value.length > maxScopeLength) {
      faults.push({ path, message: `expected a text of 1 to ${maxScopeLength} characters` });
    } else if (known === 'tag' && !isTagName(splitTag(value).name)) {
      faults.push({ path, message: 'expected name=value or name; names are letters, digits and _.:/@-' });
    } else if (known === 'route' && !value.startsWith('/')) {
      faults.push({ path, message: 'expected a path that begins with a slash, such as /v1/chat/completions' });
    } else if (value.includes('*')) {
      faults.push({ path, message: 'a scope is one exact value; put patterns into the condition, with matches' });
    }
  }
  return faults;
}

function toFinding(place: string, fault: Fault): Finding {
  return { file: null, line: null, field: `${place}${fault.path}`, message: fault.message };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
