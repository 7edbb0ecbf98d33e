import type { LimitConfiguration, TenantConfiguration } from '../../contract/configuration.ts';
import { parseInstant } from './amounts.ts';
import {
  type CeilingField,
  ceilingFields,
  findCeilingField,
  findUnboundedField,
  listCeilingFields,
} from './limit-entries.ts';
import type { FieldPath, Report } from './source.ts';

interface Place {
  path: FieldPath;
  report: Report;
}

/**
 * Reports what in a limit does not fit its kind: a ceiling in another unit, or none, a window where nothing is counted over
 * one, and fields that would say nothing there. What the limits engine says of it comes beside this.
 */
export function checkLimitFields(limit: LimitConfiguration, place: Place): void {
  const { kind } = limit;
  const { path, report } = place;
  const fields = listCeilingFields(limit);
  checkCeilings(limit, { fields, what: kind === 'cap' ? 'A cap' : `Kind ${kind}` }, place);
  checkWindowFields(limit, place);
  if (limit.counts !== undefined && kind !== 'tokens' && findCeilingField(limit) !== 'ceilingTokens') {
    report([...path, 'counts'], 'Only kind tokens, and a cap with `ceilingTokens`, says which tokens it counts');
  }
  checkCaseFields(limit, place);
  limit.overrides?.forEach((override, index) => {
    const at = [...path, 'overrides', index];
    const field = findCeilingField(limit);
    checkCeilings(override, { fields: [field], what: 'An override of this limit' }, { path: at, report });
    for (const name of ['from', 'until'] as const) {
      const text = override[name];
      if (text === undefined || parseInstant(text) !== null) continue;
      report([...at, name], 'No such instant; expected one such as 2027-01-31 or 2027-01-31T12:00:00Z');
    }
  });
}

/** Reports a tenant's `unbounded` that states nothing. */
export function checkTenantLimits(tenant: TenantConfiguration, { path, report }: Place): void {
  const { unbounded } = tenant;
  if (unbounded === undefined || unbounded === 'refuse') return;
  if (unbounded.ceilingUsd !== undefined || unbounded.ceilingTokens !== undefined) return;
  report([...path, 'unbounded'], 'States no ceiling; expected `ceilingUsd`, `ceilingTokens` or both');
}

function checkCeilings(
  stated: Partial<Record<CeilingField, unknown>>,
  { fields, what }: { fields: readonly CeilingField[]; what: string },
  { path, report }: Place,
): void {
  const names = fields.map((field) => `\`${field}\``).join(', ');
  const [first = 'ceiling', second] = fields;
  const expected = second === undefined ? names : `exactly one of ${names}`;
  const given = ceilingFields.filter((field) => stated[field] !== undefined);
  const taken = given.find((field) => fields.includes(field));
  if (taken === undefined) report([...path, first], `Missing: ${lowerFirst(what)} needs ${expected}`);
  for (const field of given)
    if (field !== taken) report([...path, field], `${what} takes ${expected}; this is another`);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function checkWindowFields(limit: LimitConfiguration, { path, report }: Place): void {
  const { kind } = limit;
  if (kind !== 'concurrency' && kind !== 'cap') {
    if (limit.window !== undefined) return;
    report([...path, 'window'], 'Missing: expected a window such as 1m, 1h, 1d or 1mo');
    return;
  }
  const why = kind === 'cap' ? 'A cap holds for each run by itself' : 'Concurrency counts the runs under way';
  for (const field of ['window', 'align'] as const) {
    if (limit[field] !== undefined) report([...path, field], `${why}, over no window; expected no \`${field}\``);
  }
}

/** Fields that say what happens in a case which this kind of limit never meets. */
function checkCaseFields(limit: LimitConfiguration, { path, report }: Place): void {
  const { kind, unbounded } = limit;
  const field = findUnboundedField(limit);
  const what = kind === 'cap' ? 'this cap' : `kind ${kind}`;
  if (unbounded !== undefined && field === null) {
    report([...path, 'unbounded'], `Runs are never unbounded for ${what}; expected no \`unbounded\``);
  } else if (unbounded !== undefined && unbounded !== 'refuse' && field !== null) {
    const at = [...path, 'unbounded'];
    checkCeilings(unbounded, { fields: [field], what: capitalise(what) }, { path: at, report });
  }
  if (limit.unpriced !== undefined && field !== 'ceilingUsd') {
    report([...path, 'unpriced'], `No price is needed for ${what}; expected no \`unpriced\``);
  }
  if (limit.whenRedisIsDown !== undefined && kind === 'cap') {
    report([...path, 'whenRedisIsDown'], 'A cap is kept without Redis; expected no `whenRedisIsDown`');
  }
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
