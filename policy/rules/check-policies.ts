import type { Finding } from '../../storage/schema/errors.ts';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { checkAction } from './check-action.ts';
import { checkCondition, type Fault } from './check-condition.ts';
import type { Expression } from './expression.ts';
import { isTagName } from './facts.ts';
import { quote } from './quote.ts';
import { scopeFields, splitTag } from './scope.ts';

/** Policies in one document. With all of them in scope a decision then takes well under a millisecond. */
const maxPolicies = 5_000;
const maxScopeLength = 250;
const idForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Checks the policies of one document, whole, before any is used: ids, versions, phase, scope, action, condition.
 *
 * `where` names the place of a policy (default `policies[0]`); a finding's `field` is that place and the path below it. Takes
 * any input, also one that breaks its type. An empty answer means that `compilePolicies` takes them. Never throws.
 */
export function checkPolicies(
  policies: readonly PolicyEntry[],
  where: (index: number) => string = (index) => `policies[${index}]`,
): Finding[] {
  const findings: Finding[] = [];
  if (policies.length > maxPolicies) {
    return [toFinding(where(maxPolicies), { path: '', message: `more than ${maxPolicies} policies` })];
  }
  const seen = new Set<unknown>();
  for (const [index, policy] of policies.entries()) {
    const place = where(index);
    for (const fault of checkPolicy(policy).faults) findings.push(toFinding(place, fault));
    const id: unknown = isRecord(policy) ? policy.id : undefined;
    if (typeof id === 'string' && seen.has(id)) {
      findings.push(toFinding(place, { path: '.id', message: `policy id ${quote(id)} is used twice` }));
    }
    seen.add(id);
  }
  return findings;
}

/** Everything that is wrong with one policy on its own; where nothing is, also its condition with types. */
export function checkPolicy(policy: unknown): { faults: readonly Fault[]; expression: Expression | null } {
  if (!isRecord(policy)) return { faults: [{ path: '', message: 'a policy is an object' }], expression: null };
  const condition = checkCondition(policy.when, 'request');
  const faults = [...checkHead(policy), ...checkScope(policy.scope), ...checkAction(policy.then)];
  if (condition.ok) return { faults, expression: faults.length === 0 ? condition.expression : null };
  faults.push(...condition.faults.map(({ path, message }) => ({ path: `.when${path}`, message })));
  return { faults, expression: null };
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
  expect(phase === 'request', '.phase', 'expected "request"; admit, response and stream policies are not enforced yet');
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
