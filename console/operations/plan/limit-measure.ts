import { canonicalJson } from '../../../policy/evidence/index.ts';
import { unitOf, windowOf } from '../../../policy/limits/index.ts';
import type { LimitRow } from '../../../storage/schema/control.ts';
import type { LimitEntry, LimitUnit } from '../../../storage/schema/snapshot.ts';
import type { FieldPath } from '../configuration/source.ts';
import { type Planner, reportAt } from './places.ts';

/**
 * Reports a limit that would count otherwise than one of that id ever did, in force or retired. Counters and charges on
 * record go by the id: what counted dollars can never count requests, a counter of another window or split would begin at
 * zero beside the old one, and a rebuild from records would fill it with what it had not counted.
 */
export function reportOtherMeasure(
  planner: Planner,
  path: FieldPath,
  { earlier, entry }: { earlier: LimitRow; entry: LimitEntry },
): void {
  const found = findOtherMeasure(JSON.parse(earlier.definition) as LimitEntry, entry);
  if (found === null) return;
  const verb = earlier.state === 'retired' ? 'was' : 'is';
  const why = 'its counters and records go by its id: a limit that counts otherwise takes another id';
  const message = `${verb} ${found.what}, and ${why}`;
  reportAt(planner, [...path, found.field], `Limit \`${entry.id}\` ${message}`);
}

/** In which field a limit differs from what it measured, and what that was. */
function findOtherMeasure(old: LimitEntry, entry: LimitEntry): { field: string; what: string } | null {
  if (old.kind !== entry.kind) return { field: 'kind', what: `of kind ${old.kind}` };
  const unit = unitOf(old);
  if (old.kind === 'cap') return unit === unitOf(entry) ? null : { field: 'kind', what: `a cap on ${nameUnit(unit)}` };
  if (unit !== unitOf(entry)) return { field: 'counts', what: `one of ${nameUnit(unit)}` };
  if (canonicalJson(windowOf(old)) !== canonicalJson(windowOf(entry))) {
    const field = old.window === entry.window ? 'align' : 'window';
    return { field, what: `over ${old.window} (${old.align})` };
  }
  if (old.by.join() === entry.by.join()) return null;
  return { field: 'by', what: old.by.length === 0 ? 'not split' : `split by ${old.by.join(', ')}` };
}

function nameUnit(unit: LimitUnit): string {
  return unit === 'nano_usd' ? 'cost' : unit.replace('_', ' ');
}
