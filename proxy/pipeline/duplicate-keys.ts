const backslash = 0x5c;
const colon = 0x3a;

/**
 * Whether any object in a JSON text names a key twice. Parsers differ in which of the two they take, so such a body could
 * be decided as one thing and read by the provider as another.
 *
 * Counts the keys in the text and in what was parsed from it: a parser keeps one of two, so the counts differ. `text` must
 * be what `parsed` was parsed from. Takes time linear in the text and no recursion.
 */
export function hasDuplicateKeys(text: string, parsed: unknown): boolean {
  return countWrittenKeys(text) !== countKeptKeys(parsed);
}

function countWrittenKeys(text: string): number {
  let keys = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at)) {
    at = skipString(text, at + 1);
    while (isSpace(text.charCodeAt(at))) at += 1;
    if (text.charCodeAt(at) === colon) keys += 1;
  }
  return keys;
}

/** Position behind the closing quote of the string whose content begins at `from`. */
function skipString(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at !== -1 && isEscaped(text, at)) at = text.indexOf('"', at + 1);
  return at === -1 ? text.length : at + 1;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === backslash) before -= 1;
  return (at - before) % 2 === 0;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function countKeptKeys(parsed: unknown): number {
  const waiting: unknown[] = [parsed];
  let keys = 0;
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== 'object' || value === null) continue;
    const members = Object.values(value);
    if (!Array.isArray(value)) keys += members.length;
    for (const member of members) if (typeof member === 'object') waiting.push(member);
  }
  return keys;
}
