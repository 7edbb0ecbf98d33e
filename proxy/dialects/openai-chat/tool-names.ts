import { isObject, readText } from '../json-fields.ts';

/**
 * All names that a tool of a request, or a call of one, could be taken to have: where it has several, servers differ in
 * which they read. Its type where it has none; none at all for what is no object.
 */
export function readToolNames(tool: unknown): string[] {
  if (!isObject(tool)) return [];
  const places = [tool.function, tool.custom, tool];
  const names = places.flatMap((place) => (isObject(place) ? (readText(place.name) ?? []) : []));
  if (names.length > 0) return [...new Set(names)];
  const type = readText(tool.type);
  return type === null ? [] : [type];
}

/** The same of a call, whose type names no tool. */
export function readCallNames(call: unknown): string[] {
  if (!isObject(call)) return [];
  const { type: _type, ...own } = call;
  return readToolNames(own);
}
