import { findStringEnd, skipSpace } from './delta-text.ts';
import { isObject } from './json-fields.ts';
import { decodeString, findValueEnd, type JsonRange } from './json-members.ts';

/** What a walk does. `Place` is what its owner knows of where it is. */
export interface WalkRules<Place> {
  /**
   * The place of a member (by its name) or an element (by its index) of the object or array at `place`; null to pass it
   * over. `value` and `holder` are the parsed ones, `start` the offset of the value's first character.
   */
  enter(place: Place, name: string | number, at: { value: unknown; holder: unknown; start: number }): Place | null;
  /** A string; `at` tells where its literal stands, quotes included, and what holds it, parsed. */
  visit(place: Place, name: string | number, at: JsonRange & { holder: unknown }): void;
  /** Whether the walk is to be given up. */
  readonly isOver?: boolean;
}

/**
 * Walks the value that starts at `start` in `json` (see `readLatin1`) beside its parsed form, in the order of the text,
 * and visits each string that the rules let it reach. Each byte is looked at once; what is passed over costs a search for
 * quotes and braces. Takes no recursion, so that neither depth nor length breaks it. Never throws. False where the rules
 * gave it up.
 */
export function walkStrings<Place>(
  json: string,
  from: { start: number; value: unknown; place: Place },
  rules: WalkRules<Place>,
): boolean {
  if (json.charCodeAt(from.start) === 0x22) {
    const end = findStringEnd(json, from.start + 1);
    if (end >= 0) rules.visit(from.place, '', { start: from.start, end: end + 1, holder: undefined });
    return rules.isOver !== true;
  }
  const open: OpenHolder<Place>[] = [];
  let at = openHolder(json, from, open);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    at = skipSpace(json, at);
    const unit = json.charCodeAt(at);
    if (unit === 0x7d || unit === 0x5d) {
      open.pop();
      at++;
    } else if (unit === 0x2c) at++;
    else if (Number.isNaN(unit)) return true;
    else at = walkItem(json, { at, top, open, rules });
    if (rules.isOver === true) return false;
    if (at < 0) return true;
  }
  return true;
}

interface OpenHolder<Place> {
  value: unknown;
  place: Place;
  /** Index of the next element, or -1 in an object. */
  next: number;
}

/** Opens the container that starts at `start`, if one does; returns the offset behind its brace. */
function openHolder<Place>(
  json: string,
  from: { start: number; value: unknown; place: Place },
  open: OpenHolder<Place>[],
): number {
  const unit = json.charCodeAt(from.start);
  if (unit === 0x7b || unit === 0x5b) open.push({ value: from.value, place: from.place, next: unit === 0x5b ? 0 : -1 });
  return from.start + 1;
}

/** One member or element; returns the offset behind it, or behind its opening brace, or -1 where the text is broken. */
function walkItem<Place>(
  json: string,
  input: { at: number; top: OpenHolder<Place>; open: OpenHolder<Place>[]; rules: WalkRules<Place> },
): number {
  const { top, open, rules } = input;
  let start = input.at;
  let name: string | number = top.next;
  if (top.next >= 0) top.next++;
  else {
    const nameEnd = findStringEnd(json, start + 1);
    if (nameEnd < 0) return -1;
    name = decodeString(json, start, nameEnd + 1);
    start = skipSpace(json, skipSpace(json, nameEnd + 1) + 1);
  }
  const value = readItem(top.value, name);
  const place = rules.enter(top.place, name, { value, holder: top.value, start });
  const unit = json.charCodeAt(start);
  if (place === null || (unit !== 0x22 && unit !== 0x7b && unit !== 0x5b)) return findValueEnd(json, start);
  if (unit !== 0x22) return openHolder(json, { start, value, place }, open);
  const end = findStringEnd(json, start + 1);
  if (end < 0) return -1;
  rules.visit(place, name, { start, end: end + 1, holder: top.value });
  return end + 1;
}

function readItem(holder: unknown, name: string | number): unknown {
  if (typeof name === 'number') return Array.isArray(holder) ? holder[name] : undefined;
  return isObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined;
}
