const maxParts = 2_000;
const maxDepth = 8;

/**
 * A copy of plain JSON in which each member was read once, so that nothing can change after its check.
 * Throws a TypeError for getters, proxies that refuse, class instances, and what is larger than any policy head.
 */
export function copyPlain(value: unknown): unknown {
  return copy(value, { parts: 0 }, 0);
}

/** One own member of an object by its value, never through a getter; undefined where there is none. Throws for a getter. */
export function readMember(owner: object, name: string): unknown {
  const member = Object.getOwnPropertyDescriptor(owner, name);
  if (member === undefined) return undefined;
  if (!('value' in member)) throw new TypeError('a getter is no plain JSON');
  return member.value;
}

function copy(value: unknown, seen: { parts: number }, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  seen.parts++;
  if (depth > maxDepth || seen.parts > maxParts) throw new TypeError('larger than any policy');
  if (Array.isArray(value)) {
    if (value.length > maxParts) throw new TypeError('larger than any policy');
    return Array.from({ length: value.length }, (_, i) => copy(readMember(value, `${i}`), seen, depth + 1));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('a class instance is no plain JSON');
  const names = Object.keys(value);
  if (names.length > maxParts) throw new TypeError('larger than any policy');
  return Object.fromEntries(names.map((name) => [name, copy(readMember(value, name), seen, depth + 1)]));
}
