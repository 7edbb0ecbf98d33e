import type { AcknowledgementRow, Principal } from '../../storage/schema/control.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { AcknowledgedFinding, DoctorFinding } from '../contract/api.ts';
import { appendAudit } from './audit.ts';
import type { ControlContext } from './context.ts';
import type { Damage, Verdict } from './verdict.ts';

/**
 * A verdict as the doctor shows it. Damage that a person has acknowledged is no error any more, and stays visible with who
 * did so, when and why; as soon as there is more of it than they saw, all of it is an error again.
 */
export function showVerdict(
  check: string,
  { damage, ...verdict }: Verdict,
  acknowledgements: ReadonlyMap<string, AcknowledgementRow>,
): DoctorFinding {
  if (damage === undefined) return { check, ...verdict };
  const { id, found } = damage;
  const row = acknowledgements.get(id);
  if (row === undefined) return { check, ...verdict, message: `${verdict.message} ${adviseToAcknowledge(id)}`, id };
  const { actor: by, at_ms: atMs, reason } = row;
  const when = new Date(atMs).toISOString();
  if (!covers(JSON.parse(row.found) as Damage, found)) {
    const message = `${verdict.message}; not what ${by} acknowledged on ${when} ${adviseToAcknowledge(id)}`;
    return { check, ...verdict, message, id };
  }
  const message = `${verdict.message}; acknowledged by ${by} on ${when}: ${reason}`;
  return { check, severity: 'acknowledged', message, id, acknowledged: { by, at_ms: atMs, reason } };
}

function adviseToAcknowledge(id: string): string {
  return `(once dealt with: hoc doctor acknowledge ${id} --reason TEXT)`;
}

/** A count that is any other one is of something new, also a smaller one; of ranges, none may lie outside. */
function covers(acknowledged: Damage, found: Damage): boolean {
  if ('count' in acknowledged) return 'count' in found && acknowledged.count === found.count;
  if (!('ranges' in found)) return false;
  const isKnown = ([from, to]: readonly [number, number]): boolean =>
    acknowledged.ranges.some(([first, last]) => first <= from && to <= last);
  return found.ranges.every(isKnown);
}

/**
 * Puts on record that a person has seen damage and dealt with it: exactly what `verdicts` say of it now. The audit entry
 * stands in the platform's log. Again is another entry, with its own reason.
 *
 * Throws `not_found` where no damage of that id stands.
 */
export async function acknowledgeDamage(
  context: ControlContext,
  principal: Principal,
  { id, reason, verdicts }: { id: string; reason: string; verdicts: readonly Verdict[] },
): Promise<AcknowledgedFinding> {
  const verdict = verdicts.find(({ damage }) => damage?.id === id);
  if (verdict?.damage === undefined) {
    const publicMessage = `No finding ${id} stands that can be acknowledged; hoc doctor names those that do`;
    throw new HocError({ code: 'not_found', publicMessage });
  }
  const found = JSON.stringify(verdict.damage.found);
  const row: AcknowledgementRow = { finding: id, found, reason, actor: principal.actor, at_ms: context.now() };
  const act = 'finding.acknowledge';
  await context.store.transaction(async (tx) => {
    const before = (await tx.readAcknowledgements()).find(({ finding }) => finding === id) ?? null;
    await tx.saveAcknowledgement(row);
    const entry = { tenant: '', act, objectType: 'finding', objectId: id, before, after: row };
    await appendAudit(tx, context, { principal, acts: [entry] });
  });
  context.metrics.auditAppended(act, 1);
  context.log.warn({ finding: id }, 'an operator acknowledged damage');
  return { id, message: verdict.message, acknowledged: { by: row.actor, at_ms: row.at_ms, reason } };
}
