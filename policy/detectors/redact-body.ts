import { detect } from './detect.ts';
import type { Detection, DetectorId } from './detector.ts';
import { type ReadablePart, type ReadableToken, readPart } from './readable-parts.ts';
import { markOf, redact } from './redact.ts';

const byteOrderMark = '\ufeff';
/** No finding in a value is shorter, UTF-16 units. */
const fewestSaid = 4;
/** Between texts that are looked through together. No finding goes over it but blocks, which are cut there. */
const between = '\n\n';

/**
 * A whole body, JSON, a form or any other text, with everything that detectors find in it taken out. What was JSON stays JSON: in a string
 * the findings alone give way to `[redacted:<id>]`, a number or a name of a member gives way as a whole. Strings that are JSON or a
 * form themselves are read on, three deep, numbers with a fraction or an exponent as what they amount to. Long strings of
 * base64 (images, audio) go too, because nobody can look into them. Linear; a text that is cut off is read as far as it goes.
 */
export function redactBody(text: string, ids: readonly DetectorId[]): string {
  const head = text.startsWith(byteOrderMark) ? byteOrderMark : '';
  const part = readPart(text.slice(head.length));
  return head + renderPart(part, findIn(part, ids));
}

/** The same for a text that stands in a body, such as the arguments of a call: what was JSON stays JSON. */
export function redactJsonText(text: string, ids: readonly DetectorId[]): string {
  return redactBody(text, ids);
}

/** Findings in each text and each value, by the part or token that it belongs to. */
type Findings = ReadonlyMap<ReadablePart | ReadableToken, readonly Detection[]>;

/** Looks through all texts in one: what detectors cost for each text would else count for each string. */
function findIn(root: ReadablePart, ids: readonly DetectorId[]): Findings {
  const texts: { owner: ReadablePart | ReadableToken; text: string }[] = [];
  const gather = (part: ReadablePart): void => {
    texts.push({ owner: part, text: part.text });
    for (const token of part.tokens) {
      if (token.inner !== null) gather(token.inner);
      else if (token.value !== null && token.value.length >= fewestSaid)
        texts.push({ owner: token, text: token.value });
    }
  };
  gather(root);
  const found = detect(texts.map(({ text }) => text).join(between), ids);
  const findings = new Map<ReadablePart | ReadableToken, readonly Detection[]>();
  const cut = openCut(found);
  let from = 0;
  for (const { owner, text } of texts) {
    const own = cut(from, from + text.length);
    if (own.length > 0) findings.set(owner, own);
    from += text.length + between.length;
  }
  return findings;
}

/** Cuts findings to pieces of the text, which are asked for in order, each finding moved to the beginning of its piece. */
function openCut(found: readonly Detection[]): (start: number, end: number) => Detection[] {
  let next = 0;
  return (start, end) => {
    const within: Detection[] = [];
    for (let index = next; index < found.length; index += 1) {
      const one = found[index];
      if (one === undefined || one.start >= end) break;
      if (one.end > start)
        within.push({ ...one, start: Math.max(one.start, start) - start, end: Math.min(one.end, end) - start });
    }
    while (next < found.length && (found[next]?.end ?? 0) <= end) next += 1;
    return within;
  };
}

function renderPart(part: ReadablePart, findings: Findings): string {
  const { text, tokens } = part;
  const found = findings.get(part) ?? [];
  if (tokens.length === 0) return redact(text, found);
  const cut = openCut(found);
  const pieces: string[] = [];
  let [at, kept] = [0, 0];
  const replace = (end: number, by: string): void => {
    pieces.push(text.slice(kept, at), by);
    kept = end;
  };
  for (const token of tokens) {
    const gap = cut(at, token.start);
    if (gap.length > 0) replace(token.start, redactGap(text.slice(at, token.start), gap));
    at = token.start;
    const rendered = renderToken(text, token, { within: cut(at, token.end), findings });
    if (rendered !== null) replace(token.end, rendered);
    at = token.end;
  }
  const tail = cut(at, text.length);
  if (tail.length > 0) replace(text.length, redactGap(text.slice(at), tail));
  pieces.push(text.slice(kept));
  return pieces.join('');
}

/** Between strings and numbers a finding that spans several of them holds punctuation only, which may stay. */
function redactGap(text: string, within: readonly Detection[]): string {
  return redact(
    text,
    within.filter(({ start, end }) => /[\p{L}\p{N}]/u.test(text.slice(start, end))),
  );
}

interface Known {
  within: readonly Detection[];
  findings: Findings;
}

/** What stands for a token; null where it stays as it is. */
function renderToken(text: string, token: ReadableToken, { within, findings }: Known): string | null {
  const whole = findings.get(token)?.[0] ?? within[0];
  if (token.kind === 'number') return whole === undefined ? null : `"${markOf(whole.detector)}"`;
  const said = renderValue(token, findings);
  if (said !== null) return token.kind === 'form' ? encodeURIComponent(said) : JSON.stringify(said);
  if (whole === undefined) return null;
  const raw = text.slice(token.start, token.end);
  if (token.kind === 'form') {
    const shown = redact(raw, within);
    return token.value === null ? shown : encodeURIComponent(shown);
  }
  if (token.value !== null) return `"${markOf(whole.detector)}"`;
  return `"${redact(raw.slice(1, -1), within.map(withoutQuote))}"`;
}

function withoutQuote({ detector, start, end }: Detection): Detection {
  return { detector, start: start - 1, end: end - 1 };
}

/** What a token says with what was found in it taken out; null where nothing was. */
function renderValue(token: ReadableToken, findings: Findings): string | null {
  const { value, inner } = token;
  if (value === null) return null;
  if (inner === null) {
    const own = findings.get(token);
    return own === undefined ? null : redact(value, own);
  }
  const rendered = renderPart(inner, findings);
  return rendered === value ? null : rendered;
}
