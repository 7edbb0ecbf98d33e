import { isFormText, listFormTokens } from './form-tokens.ts';
import { listTokens } from './json-tokens.ts';

/** A text whose strings, numbers and values say more than they show. */
export interface ReadablePart {
  /** As it stands, without encoded data. */
  text: string;
  tokens: readonly ReadableToken[];
}

export interface ReadableToken {
  kind: 'string' | 'number' | 'form';
  start: number;
  end: number;
  /** What it says, where that is not what it shows; a number as its digits. */
  value: string | null;
  /** The same read on, where what it says is JSON or a form itself. */
  inner: ReadablePart | null;
}

/** How deep texts within texts are read. */
const mostLevels = 3;
/** Shortest value that a text within a text is looked for in. */
const fewestInner = 8;
/** How JSON begins, and what no form is without. */
const innerForm = /^\s*[[{"]|=/;
/** Shortest string that is taken for encoded data where it has its form; the keys that detectors know are shorter. */
const fewestEncoded = 1_024;
/** The same behind `data:` and a type. */
const fewestData = 256;
const dataHead = /^data:[\w/+.;=-]{0,200},/;
const encodedForm = /^[A-Za-z0-9+/_=-]+$/;
/** Line breaks, as they stand or escaped, and slashes that were escaped. */
const breaks = /\\[nr]|\\(?=\/)|[\r\n]/g;
const encodedMark = '[redacted:encoded]';
/** Longest number that is written out, digits: no id or number of a card has more. */
const longestNumber = 40;

/** Reads a text as JSON, as a form or, without tokens, as it stands. Linear; a text that is cut off is read as far as it goes. */
export function readPart(text: string, level = 0): ReadablePart {
  if (isFormText(text)) {
    const tokens = listFormTokens(text).map((token) => readToken({ ...token, kind: 'form' }, token.value, level));
    return { text, tokens };
  }
  const readable = dropEncoded(text);
  const tokens = listTokens(readable).map(({ kind, start, end }) => {
    const raw = readable.slice(start, end);
    if (kind === 'number') return { kind, start, end, value: writeOut(raw), inner: null };
    return readToken({ kind, start, end }, decode(raw), level);
  });
  return { text: readable, tokens };
}

function readToken(
  token: Pick<ReadableToken, 'kind' | 'start' | 'end'>,
  says: { value: string; differs: boolean },
  level: number,
): ReadableToken {
  const { value, differs } = says;
  const isPromising = level < mostLevels && value.length >= fewestInner && innerForm.test(value);
  const inner = isPromising ? readPart(value, level + 1) : null;
  const isRead = inner !== null && inner.tokens.length > 0;
  return { ...token, value: differs || isRead ? value : null, inner: isRead ? inner : null };
}

/** What a string says; one that is no JSON says what it shows. */
function decode(raw: string): { value: string; differs: boolean } {
  const shown = raw.slice(1, -1);
  if (!raw.includes('\\')) return { value: shown, differs: false };
  try {
    return { value: String(JSON.parse(raw)), differs: true };
  } catch {
    return { value: shown, differs: true }; // A provider's or caller's broken text is looked through as it stands.
  }
}

/** The digits of a whole number that is written with a fraction or an exponent; null for others, which show what they say. */
function writeOut(raw: string): string | null {
  const [, whole = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(raw) ?? [];
  if (whole === '' || !/[.eE]/.test(raw)) return null;
  const digits = (whole + fraction).replace(/0+$/, '');
  const places = whole.length + Number(exponent);
  if (digits.length > places || places > longestNumber) return null;
  return digits.padEnd(places, '0');
}

function dropEncoded(text: string): string {
  const pieces: string[] = [];
  let from = 0;
  for (const { kind, start, end } of listTokens(text)) {
    if (kind !== 'string' || end - start < fewestData || !isEncoded(text.slice(start + 1, end - 1))) continue;
    pieces.push(text.slice(from, start), `"${encodedMark}"`);
    from = end;
  }
  return from === 0 ? text : pieces.join('') + text.slice(from);
}

function isEncoded(shown: string): boolean {
  const head = dataHead.exec(shown.slice(0, fewestData))?.[0] ?? '';
  if (head === '' && shown.length + 2 < fewestEncoded) return false;
  const beginning = shown.slice(head.length, head.length + fewestData).replace(/\\.?$/, '');
  return (
    encodedForm.test(beginning.replace(breaks, '')) && encodedForm.test(shown.slice(head.length).replace(breaks, ''))
  );
}
