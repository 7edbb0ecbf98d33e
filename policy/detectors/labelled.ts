import type { DetectorId, Span } from './detector.ts';

/** A text with what a detector should find in it; no spans for a text in which it should find nothing. */
export interface LabelledText {
  detector: DetectorId;
  text: string;
  spans: readonly Span[];
  note: string;
  /** Whether the text is the name of a tool. */
  tool: boolean;
}

const alphabets: Readonly<Record<string, string>> = {
  A: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
  B: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
  H: '0123456789abcdef',
  K: '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz',
  L: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
  N: '0123456789',
  U: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
  W: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-',
  Z: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
  l: 'abcdefghijklmnopqrstuvwxyz0123456789',
};
const splice = /\{(?:=|([A-Za-z])(\d+))\}/g;
const lineWidth = 64;

/**
 * Reads a labelled set: JSON lines of `{text, note?, tool?}`, where `⟦` and `⟧` surround what should be found. So that no complete secret
 * stands in the repository, texts hold splices: `{=}` is nothing (it splits a prefix), `{A36}` is 36 characters drawn from an alphabet:
 * A letters and digits, B base64, H hexadecimal, K base58, L letters, N digits, U base32, W base64url, Z capitals and digits,
 * l small letters and digits; `{P6}` is 6 lines of base64, `{Q6}` the same with escaped line breaks. What is drawn depends on the
 * detector and the line alone. Throws a `SyntaxError` for a line that is no JSON.
 */
export function readLabelled(detector: DetectorId, lines: string): LabelledText[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => {
      const row = JSON.parse(line) as { text: string; note?: string; tool?: boolean };
      const draw = makeDraw(`${detector}:${index}`);
      const marked = row.text.replace(splice, (_whole, kind?: string, size?: string) =>
        expand(draw, kind, Number(size)),
      );
      return { detector, ...readMarks(marked), note: row.note ?? '', tool: row.tool === true };
    });
}

function readMarks(marked: string): { text: string; spans: Span[] } {
  const spans: Span[] = [];
  let text = '';
  for (const piece of marked.split(/(?=[⟦⟧])/)) {
    if (piece.startsWith('⟦')) spans.push({ start: text.length, end: text.length });
    const last = spans.at(-1);
    if (piece.startsWith('⟧') && last !== undefined) last.end = text.length;
    text += piece.replace(/^[⟦⟧]/, '');
  }
  return { text, spans };
}

function expand(draw: () => number, kind: string | undefined, size: number): string {
  if (kind === undefined) return '';
  if (kind !== 'P' && kind !== 'Q') return drawText(draw, kind, size);
  const lines = Array.from({ length: size }, () => drawText(draw, 'B', lineWidth));
  return lines.join(kind === 'P' ? '\n' : '\\n');
}

function drawText(draw: () => number, kind: string, size: number): string {
  const alphabet = alphabets[kind] ?? kind;
  return Array.from({ length: size }, () => alphabet.charAt(draw() % alphabet.length)).join('');
}

/** Numbers that look random and follow from a seed: FNV-1a over the seed, then mulberry32. */
function makeDraw(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const character of seed) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
