import type { AnswerFacts, AnswerTexts, StreamOptions, StreamReader } from './dialect.ts';
import { parseJson, viewBytes } from './json-fields.ts';

/** Largest whole answer that is read, in bytes. Longer ones pass by unread. */
export const maxWholeAnswerBytes = 16 * 1024 * 1024;

/** How a dialect reads an answer, for the two shapes in which one can arrive. */
export interface AnswerReaders {
  openEvents(options?: StreamOptions): StreamReader;
  readWhole(body: Uint8Array): AnswerFacts;
  readTexts(bytes: Uint8Array, body: unknown): AnswerTexts | null;
}

/** Reads an answer that is whole in memory: JSON, or events where the content type or the first byte says so. */
export function readWholeAnswer(body: Uint8Array, contentType: string | null, readers: AnswerReaders): AnswerFacts {
  if (!looksLikeEvents(body) && !namesEvents(contentType)) return readers.readWhole(body);
  const reader = readers.openEvents();
  reader.push(body);
  return reader.end();
}

/**
 * Opens a reader for an answer of any content type. A request that asked for a stream may get a JSON body (an error, a
 * provider without streams), and some servers name the wrong type: unless it says events, the first byte decides.
 */
export function openAnswerStream(
  contentType: string | null,
  readers: AnswerReaders,
  options?: StreamOptions,
): StreamReader {
  if (namesEvents(contentType)) return readers.openEvents(options);
  const keepText = options?.keepText === true;
  let reader: StreamReader | null = null;
  return {
    push(chunk) {
      if (reader === null && chunk.length === 0) return -1;
      reader ??= looksLikeEvents(chunk) ? readers.openEvents(options) : openWhole(readers, keepText);
      return reader.push(chunk);
    },
    ended: () => reader?.ended() ?? false,
    isContinued: () => reader?.isContinued() ?? false,
    outputBoundTokens: () => reader?.outputBoundTokens() ?? 0,
    inputTokens: () => reader?.inputTokens() ?? null,
    lastBoundary: () => reader?.lastBoundary() ?? -1,
    takeText: () => reader?.takeText() ?? [],
    toolsCalled: () => reader?.toolsCalled() ?? [],
    textIncomplete: () => reader?.textIncomplete() ?? !keepText,
    end() {
      reader ??= openWhole(readers, keepText);
      return reader.end();
    },
  };
}

function namesEvents(contentType: string | null): boolean {
  return contentType?.toLowerCase().includes('event-stream') ?? false;
}

/** No JSON text begins like a field or a comment of an event stream. */
function looksLikeEvents(bytes: Uint8Array): boolean {
  const first = bytes[0];
  return first === 0x64 || first === 0x65 || first === 0x69 || first === 0x72 || first === 0x3a;
}

/** Its text is known at its end, as that of one event that began with the first byte. */
function openWhole(readers: AnswerReaders, keepText: boolean): StreamReader {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let texts: AnswerTexts | null = null;
  let taken = false;
  return {
    push(chunk) {
      bytes += chunk.length;
      if (bytes > maxWholeAnswerBytes) chunks.length = 0;
      else chunks.push(viewBytes(chunk));
      return -1;
    },
    ended: () => false,
    isContinued: () => false,
    outputBoundTokens: () => bytes,
    inputTokens: () => null,
    lastBoundary: () => -1,
    takeText() {
      if (taken || texts === null || texts.spots.length + texts.extras.length === 0) return [];
      taken = true;
      const text = [...texts.spots, ...texts.extras].map((one) => one.text).join('\n');
      return [{ from: 0, text, tools: texts.tools, incomplete: false }];
    },
    toolsCalled: () => texts?.tools ?? [],
    textIncomplete: () => !keepText || (texts === null && bytes > 0),
    end() {
      const whole = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      const facts = readers.readWhole(whole);
      if (keepText) texts = readers.readTexts(whole, parseJson(viewBytes(whole).toString('utf8')));
      return bytes > maxWholeAnswerBytes ? { ...facts, outputBoundTokens: bytes } : facts;
    },
  };
}
