import { decodeText } from './decode-text.ts';
import { parseJson } from './json-fields.ts';
import { listStrings, maxValues, TextBudget } from './nested-strings.ts';

/** Members whose values are pieces of one text, in the streams of known formats. */
const pieceNames = new Set([
  'content',
  'text',
  'delta',
  'thinking',
  'reasoning',
  'reasoning_content',
  'refusal',
  'partial_json',
  'arguments',
]);

/**
 * All text of a body that no dialect reads, as one text. JSON gives its strings, names and values, decoded, joined by line
 * feeds; what is no JSON stands as it is, followed by the strings in it that are escaped and by what looks like the pieces
 * of a stream, joined. Null: it is neither UTF-8 nor UTF-16, or holds more than is read (`TextBudget`).
 */
export function readUnknownTexts(bytes: Uint8Array): string | null {
  const text = decodeText(bytes);
  if (text === null) return null;
  const looksLikeJson = /^\s*["{[]/.test(text.slice(0, 64));
  if (!looksLikeJson && !text.includes('\\') && !isEvents(text)) return text;
  if (looksLikeJson && countCommas(text) > maxValues) return null;
  const budget = new TextBudget();
  const found = listStrings(text, budget);
  if (budget.isSpent) return null;
  const strings = found.map((one) => one.text).join('\n');
  if (looksLikeJson && parseJson(text) !== undefined) return strings;
  const pieces = found.filter(({ member }) => member !== null && pieceNames.has(member)).map((one) => one.text);
  return [text, text.includes('\\') ? strings : '', pieces.join('')].filter((part) => part !== '').join('\n');
}

function isEvents(text: string): boolean {
  return /^(?:data|event|id|retry|):/m.test(text.slice(0, 4096));
}

function countCommas(text: string): number {
  let commas = 0;
  let at = text.indexOf(',');
  while (at >= 0 && commas <= maxValues) {
    commas++;
    at = text.indexOf(',', at + 1);
  }
  return commas;
}
