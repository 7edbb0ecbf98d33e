/** What a value in a condition can be. There are no floats, no null and no objects. `empty` is the literal `[]`. */
export type ValueType = 'boolean' | 'integer' | 'text' | 'texts' | 'integers' | 'empty' | 'content';

/** What an integer counts. A bare number (null) fits any of them. */
export type Unit = 'nano_usd' | 'tokens' | 'bytes' | 'milliseconds' | 'characters' | 'percent' | 'count';

/** The type of an expression, with the unit of its integers. */
export interface Kind {
  type: ValueType;
  unit: Unit | null;
}

export const scalarTypes: ReadonlySet<ValueType> = new Set(['boolean', 'integer', 'text']);
export const listTypes: ReadonlySet<ValueType> = new Set(['texts', 'integers', 'empty']);

/** A kind without a unit. */
export function plain(type: ValueType): Kind {
  return { type, unit: null };
}

/**
 * The kind that all of these fit, or null where they do not fit together: one type (the empty list fits any list) and one
 * unit (bare numbers fit any). Null for none at all.
 */
export function unify(kinds: readonly Kind[]): Kind | null {
  let [found] = kinds;
  if (found === undefined) return null;
  for (const kind of kinds) {
    const type = joinTypes(found.type, kind.type);
    const clash = found.unit !== null && kind.unit !== null && found.unit !== kind.unit;
    if (type === null || clash) return null;
    found = { type, unit: found.unit ?? kind.unit };
  }
  return found;
}

function joinTypes(a: ValueType, b: ValueType): ValueType | null {
  if (a === b) return a;
  if (a === 'empty' && listTypes.has(b)) return b;
  return b === 'empty' && listTypes.has(a) ? a : null;
}

/** The kind of a list's items, or null for what is no list. Items of the empty list count as texts: there are none. */
export function itemKind(list: Kind): Kind | null {
  if (list.type === 'integers') return { type: 'integer', unit: list.unit };
  return list.type === 'texts' || list.type === 'empty' ? plain('text') : null;
}

/** The kind of a list of such items, or null where there is no such list. */
export function listKind(item: Kind): Kind | null {
  if (item.type === 'integer') return { type: 'integers', unit: item.unit };
  return item.type === 'text' ? plain('texts') : null;
}

/** A kind in words, for a refusal: `integer in bytes`. */
export function describeKind({ type, unit }: Kind): string {
  if (type === 'empty') return 'empty list';
  return unit === null ? type : `${type} in ${unit}`;
}
