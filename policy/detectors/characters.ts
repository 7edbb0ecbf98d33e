/** Whether the unit at a place is an ASCII digit; false outside the text. */
export function isDigit(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0x30 && unit <= 0x39;
}

/** Whether the unit at a place is an ASCII letter; false outside the text. */
export function isLetter(text: string, at: number): boolean {
  const unit = text.charCodeAt(at) | 0x20;
  return unit >= 0x61 && unit <= 0x7a;
}

/** Whether the unit at a place is an ASCII letter or digit; false outside the text. */
export function isAlphanumeric(text: string, at: number): boolean {
  return isDigit(text, at) || isLetter(text, at);
}

/** Whether the unit at a place is an ASCII letter, a digit or `_`, or an edge of what was redacted; false outside the text. */
export function isWord(text: string, at: number): boolean {
  return isAlphanumeric(text, at) || text.charCodeAt(at) === 0x5f || isMarkEdge(text, at);
}

const mark = '[redacted:';
const longestMark = 40;

/**
 * Whether a mark of `redact` begins or ends at a place. It counts as a word there: what a finding touched stood against a word before,
 * and must not become a finding by what was taken away.
 */
export function isMarkEdge(text: string, at: number): boolean {
  const unit = text.charAt(at);
  if (unit === '[') return text.startsWith(mark, at);
  if (unit !== ']') return false;
  const head = text.slice(Math.max(0, at - longestMark), at);
  const start = head.lastIndexOf('[');
  return start !== -1 && head.startsWith(mark, start);
}

/**
 * Places at which `literal` begins, in order. Overlapping places count once, so the places together are at most the text's
 * length.
 */
export function* findPlaces(text: string, literal: string): Generator<number> {
  for (let at = text.indexOf(literal); at !== -1; at = text.indexOf(literal, at + literal.length)) yield at;
}
