import type { TextSpot } from '../dialects/dialect.ts';
import type { Contents, RequestTexts } from './phase-texts.ts';
import type { Read } from './run.ts';

/**
 * Reads the texts of a request as it came. Of a format without a reader the whole body is one text, where it is text at all;
 * a body that is neither is missing, and so are its facts.
 */
export function readTexts(request: Read): RequestTexts {
  const { dialect, plain, parsed } = request;
  const read = dialect.readRequestTexts?.(plain, parsed) ?? null;
  if (read === null) return describeWhole(decodeText(plain));
  const { spots, tools } = read;
  const argumentTexts = spots.filter(({ part }) => part === 'tool_arguments').map(({ text }) => text);
  return {
    spots,
    brought: {
      ...{ phase: 'request', prefix: 'detectors.', texts: spots.map(({ text }) => text), contents: contentsOf(spots) },
      tools: { names: [...request.facts.tools, ...tools], argumentTexts },
    },
    prompt: joinTexts(lastMessage(spots.filter(({ role }) => role !== 'system' && role !== 'other'))),
  };
}

function describeWhole(text: string | null): RequestTexts {
  const contents: Contents = new Map([
    ['request.text', text],
    ['request.system_text', null],
    ['request.user_text', null],
  ]);
  const texts = text === null ? null : [text];
  return {
    spots: null,
    brought: { phase: 'request', prefix: 'detectors.', texts, contents, tools: null },
    prompt: text,
  };
}

function contentsOf(spots: readonly TextSpot[]): Contents {
  const texts = spots.filter(({ part }) => part === 'text');
  return new Map([
    ['request.text', joinTexts(spots)],
    ['request.system_text', joinTexts(texts.filter(({ role }) => role === 'system'))],
    ['request.user_text', joinTexts(lastMessage(texts.filter(({ role }) => role === 'user')))],
  ]);
}

function lastMessage(spots: readonly TextSpot[]): readonly TextSpot[] {
  const last = spots.at(-1)?.message;
  return spots.filter(({ message }) => message === last);
}

function joinTexts(spots: readonly TextSpot[]): string {
  return spots.map(({ text }) => text).join('\n');
}

/** The body as text, or null where it is no UTF-8. */
export function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Bytes that are no text are no error: whoever asks for their text finds it missing.
    return null;
  }
}
