/** A string or number of a JSON text, in UTF-16 units; a string with its quotes. */
export interface JsonToken {
  kind: 'string' | 'number';
  start: number;
  end: number;
}

const numberForm = /(?<=[\s,:[])-?\d[\d.eE+-]*/y;

/**
 * The strings (names of members too) and numbers of a JSON text in their order. A text that is cut off is read as far as it
 * goes; a string without its end is none. None for a text that does not begin like an object or a list and is no string. Linear.
 */
export function listTokens(text: string): JsonToken[] {
  const tokens: JsonToken[] = [];
  if (!/^\s*(?:\{\s*"|\[\s*[[{"\d-])/.test(text) && !isOneString(text)) return tokens;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const end = code === 0x22 ? endOfString(text, at) : endOfNumber(text, at, code);
    if (end === -1 && code === 0x22) break;
    if (end === -1) continue;
    tokens.push({ kind: code === 0x22 ? 'string' : 'number', start: at, end });
    at = end - 1;
  }
  return tokens;
}

function isOneString(text: string): boolean {
  const start = text.search(/\S/);
  if (text.charAt(start) !== '"') return false;
  const end = endOfString(text, start);
  return end !== -1 && text.slice(end).trim() === '';
}

function endOfNumber(text: string, at: number, code: number): number {
  if (code !== 0x2d && (code < 0x30 || code > 0x39)) return -1;
  numberForm.lastIndex = at;
  return numberForm.test(text) ? numberForm.lastIndex : -1;
}

function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
  return -1;
}
