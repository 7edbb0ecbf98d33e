import { detect } from './detect.ts';
import type { Detection, DetectorId } from './detector.ts';
import { type JsonToken, listTokens } from './json-tokens.ts';
import { markOf, redact } from './redact.ts';

/** Shortest string that is taken for encoded data where it has its form; the keys that detectors know are shorter. */
const fewestEncoded = 1_024;
const encodedForm = /^(?:data:[\w/+.;=-]{0,200},)?[A-Za-z0-9+/_=-]+$/;
const encodedMark = '[redacted:encoded]';

/**
 * A whole body, JSON or any other text, with everything that detectors find in it taken out. What was JSON stays JSON: in a string
 * the findings alone give way to `[redacted:<id>]`, a number or a name of a member gives way as a whole. Long strings of
 * base64 (images, audio) go too, because nobody can look into them. Linear; a text that is cut off is read as far as it goes.
 */
export function redactBody(text: string, ids: readonly DetectorId[]): string {
  const readable = dropEncoded(text);
  const found = detect(readable, ids);
  const pieces: string[] = [];
  let at = 0;
  let next = 0;
  const takeUntil = (end: number): Detection[] => {
    const within: Detection[] = [];
    for (let index = next; index < found.length; index += 1) {
      const one = found[index];
      if (one === undefined || one.start >= end) break;
      if (one.end > at) within.push({ ...one, start: Math.max(one.start, at) - at, end: Math.min(one.end, end) - at });
    }
    while (next < found.length && (found[next]?.end ?? 0) <= end) next += 1;
    return within;
  };
  for (const token of listTokens(readable)) {
    pieces.push(redactGap(readable.slice(at, token.start), takeUntil(token.start)));
    at = token.start;
    pieces.push(redactToken(readable.slice(at, token.end), token, { within: takeUntil(token.end), ids }));
    at = token.end;
  }
  pieces.push(redactGap(readable.slice(at), takeUntil(readable.length)));
  return pieces.join('');
}

function dropEncoded(text: string): string {
  const pieces: string[] = [];
  let from = 0;
  for (const { kind, start, end } of listTokens(text)) {
    if (kind !== 'string' || end - start < fewestEncoded || !encodedForm.test(text.slice(start + 1, end - 1))) continue;
    pieces.push(text.slice(from, start), `"${encodedMark}"`);
    from = end;
  }
  pieces.push(text.slice(from));
  return pieces.join('');
}

/** Between strings and numbers a finding that spans several of them holds punctuation only, which may stay. */
function redactGap(text: string, within: readonly Detection[]): string {
  return redact(
    text,
    within.filter(({ start, end }) => /[\p{L}\p{N}]/u.test(text.slice(start, end))),
  );
}

function redactToken(
  raw: string,
  { kind }: Pick<JsonToken, 'kind'>,
  { within, ids }: { within: readonly Detection[]; ids: readonly DetectorId[] },
): string {
  const whole = within[0];
  if (kind === 'number') return whole === undefined ? raw : `"${markOf(whole.detector)}"`;
  if (!raw.includes('\\')) return redactPlain(raw, within);
  const value = decode(raw);
  const own = detect(value, ids);
  if (own.length > 0) return JSON.stringify(redact(value, own));
  return whole === undefined ? raw : `"${markOf(whole.detector)}"`;
}

function redactPlain(raw: string, within: readonly Detection[]): string {
  if (within.length === 0) return raw;
  const inner = within.map(({ detector, start, end }) => ({ detector, start: start - 1, end: end - 1 }));
  return `"${redact(raw.slice(1, -1), inner)}"`;
}

/** What a string says; one that is no JSON says what it shows. */
function decode(raw: string): string {
  try {
    return String(JSON.parse(raw));
  } catch {
    return raw.slice(1, -1); // A provider's or caller's broken text is looked through as it stands.
  }
}
