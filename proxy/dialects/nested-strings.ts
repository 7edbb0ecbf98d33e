import { findStringEnd, skipSpace } from './delta-text.ts';

/** How deep JSON texts inside strings of JSON texts are looked into. */
const maxNesting = 3;

/** Counts what a body holds, so that no body is read that would take too long. */
export class TextBudget {
  strings = 0;
  values = 0;

  /** Whether more was counted than is read of a body: 20,000 strings, or 200,000 values. */
  get isSpent(): boolean {
    return this.strings > maxStrings || this.values > maxValues;
  }
}

/** Most strings of a body that are read as texts. */
export const maxStrings = 20_000;
/** Most values of a body, nested ones too, that are looked at. */
export const maxValues = 200_000;

/** A string literal in a JSON text. `member` is the name before it: null for what is a name itself, or has none. */
export interface FoundString {
  text: string;
  isName: boolean;
  member: string | null;
}

/**
 * All string literals of a text that is, or looks like, JSON, in order and decoded: names too, and those of JSON texts
 * inside them. It takes no parser, so that broken JSON gives what can be read of it. Stops early where the budget is spent.
 */
export function listStrings(json: string, budget: TextBudget, nesting = 0): FoundString[] {
  const found: FoundString[] = [];
  let member: string | null = null;
  let open = json.indexOf('"');
  while (open >= 0 && !budget.isSpent) {
    const end = findStringEnd(json, open + 1);
    if (end < 0) break;
    const text = decodeLiteral(json.slice(open, end + 1));
    const next = skipSpace(json, end + 1);
    const isName = json.charCodeAt(next) === 0x3a;
    if (isName) budget.values++;
    else budget.strings++;
    if (text !== '') found.push({ text, isName, member: isName ? null : member });
    if (isName) member = text;
    if (nesting + 1 < maxNesting && holdsStrings(text))
      for (const one of listStrings(text, budget, nesting + 1)) found.push(one);
    open = json.indexOf('"', end + 1);
  }
  return found;
}

/** Whether a text looks like a JSON object or list with something escaped in it: what it says is not what it looks like. */
export function holdsStrings(text: string): boolean {
  return text.includes('\\') && /^\s*[{[]/.test(text);
}

function decodeLiteral(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    // Broken JSON has no meaning of its own: what can be read are the characters that its escapes name.
    return literal
      .slice(1, -1)
      .replace(/\\u([0-9a-f]{4})/gi, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}
