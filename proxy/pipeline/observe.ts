import type { Transform } from 'node:stream';
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  gunzipSync,
  inflateSync,
} from 'node:zlib';
import type { AnswerFacts, Dialect, StreamReader } from '../dialects/dialect.ts';
import { silentAnswer } from '../dialects/usage.ts';
import { type Capture, openCapture } from './capture.ts';
import { findHeader } from './headers.ts';
import type { UpstreamHead } from './ports.ts';

/** How much larger than what is kept of it an answer may be once it is decoded. */
const maxInflation = 4;

/** What may leave now and what must wait for `finish`: the offset from which a chunk is held; its length for none. */
export type HeldFrom = number;

/** Where the decoded copy of a compressed stream stands, in decoded bytes. */
export interface DecodedPlace {
  /** All that could be decoded so far. */
  total: number;
  /** What of it belongs to complete events. */
  complete: number;
}

/** Stage 8's eyes on one answer. It never changes a byte; it only says from where on bytes must wait for `finish`. */
export interface Observation {
  readonly capture: Capture;
  readonly streamed: boolean;
  /** Whether the text of a stream can be told while it comes, event by event. */
  readonly isTold: boolean;
  /** Output tokens that what came so far cannot exceed; Infinity where it cannot be read. */
  outputBoundTokens(): number;
  /** The provider's own count of the input, once it has told it. */
  inputTokens(): number | null;
  /** Where the last pushed chunk can be cut, as `StreamReader.lastBoundary`; null where the stream cannot be cut at all. */
  lastBoundary(): number | null;
  /** How far a compressed stream of events is decoded; null for all others. */
  decoded(): DecodedPlace | null;
  /** Calls back, at once where the answer is not compressed, with the offset from which this chunk must be held. */
  push(chunk: Buffer, done: (heldFrom: HeldFrom) => void): void;
  /** What the reader of a stream tells of its text, where it was opened to keep it. */
  readonly text: Pick<StreamReader, 'takeText' | 'toolsCalled' | 'textIncomplete'>;
  /** The decoded body of a whole answer that is complete; null where it is streamed, too large or cannot be decoded. */
  wholeBody(): Uint8Array | null;
  /** The same as far as it has come and is kept; compressed ones only where they are complete. */
  keptBody(): Uint8Array | null;
  /** Facts of what was seen so far; called once. */
  end(): AnswerFacts;
}

const untold: Observation['text'] = { takeText: () => [], toolsCalled: () => [], textIncomplete: () => true };

/**
 * Opens the observation of an answer: as a stream where it is one, else as a whole of at most `maxBytes`.
 *
 * Compressed answers are read from a decoded copy; an encoding that cannot be undone here is forwarded and not read.
 */
export function openObservation(input: {
  dialect: Dialect;
  head: UpstreamHead;
  salt: string;
  maxBytes: number;
  /** Keep the text of a stream for the policies on it. */
  keepText?: boolean;
}): Observation {
  const { keepText = false } = input;
  const contentType = findHeader(input.head.headers, 'content-type');
  const encoding = findHeader(input.head.headers, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  const capture = openCapture(input.salt, input.maxBytes);
  const streaming = contentType !== null && /event-stream|ndjson/i.test(contentType);
  if (!streaming) return observeWhole({ ...input, contentType, encoding, capture });
  const reader = input.dialect.openStream(contentType, { keepText });
  const isEvents = /event-stream/i.test(contentType);
  if (encoding === 'identity' || encoding === '') return observeStream(reader, capture, isEvents);
  const decoder = openDecoder(encoding);
  if (decoder === null) return observeBlind(reader, capture);
  return observeEncodedStream(reader, capture, { decoder, isEvents });
}

/** A whole answer is complete for its reader with its last byte, so the newest chunk always waits. */
function observeWhole(input: {
  dialect: Dialect;
  contentType: string | null;
  encoding: string;
  capture: Capture;
  maxBytes: number;
}): Observation {
  const { capture } = input;
  const isPlain = input.encoding === 'identity' || input.encoding === '';
  let bytes = 0;
  // No tokenizer makes more tokens than bytes of what a body holds.
  const outputBoundTokens = () => (isPlain ? bytes : Number.POSITIVE_INFINITY);
  let decoded: Uint8Array | null | undefined;
  const readBody = () => {
    decoded ??= capture.truncated ? null : decodeWhole(capture.bytes(), input.encoding, input.maxBytes * maxInflation);
    return decoded;
  };
  return {
    capture,
    streamed: false,
    isTold: false,
    text: untold,
    wholeBody: readBody,
    keptBody: () => (isPlain ? capture.bytes() : readBody()),
    outputBoundTokens,
    inputTokens: () => null,
    lastBoundary: () => null,
    decoded: () => null,
    push(chunk, done) {
      capture.push(chunk);
      bytes += chunk.length;
      done(0);
    },
    end() {
      const body = readBody();
      if (body !== null) return input.dialect.readAnswer(body, input.contentType);
      return { ...silentAnswer, outputBoundTokens: outputBoundTokens() };
    },
  };
}

function observeStream(reader: StreamReader, capture: Capture, isEvents: boolean): Observation {
  return {
    capture,
    streamed: true,
    isTold: isEvents && !reader.textIncomplete(),
    text: reader,
    wholeBody: () => null,
    keptBody: () => null,
    outputBoundTokens: () => reader.outputBoundTokens(),
    inputTokens: () => reader.inputTokens(),
    lastBoundary: () => (isEvents ? reader.lastBoundary() : null),
    decoded: () => null,
    push(chunk, done) {
      capture.push(chunk);
      const terminalAt = reader.push(chunk);
      done(terminalAt === -1 ? chunk.length : terminalAt);
    },
    end: () => reader.end(),
  };
}

function observeBlind(reader: StreamReader, capture: Capture): Observation {
  return {
    capture,
    streamed: true,
    isTold: false,
    text: untold,
    wholeBody: () => null,
    keptBody: () => null,
    outputBoundTokens: () => Number.POSITIVE_INFINITY,
    inputTokens: () => null,
    lastBoundary: () => null,
    decoded: () => null,
    push(chunk, done) {
      capture.push(chunk);
      done(chunk.length);
    },
    end: () => ({ ...reader.end(), outputBoundTokens: Number.POSITIVE_INFINITY }),
  };
}

/** The terminal event's place inside compressed bytes is unknown: the whole chunk that brings it waits, and passes, with it. */
function observeEncodedStream(
  reader: StreamReader,
  capture: Capture,
  { decoder, isEvents }: { decoder: Transform; isEvents: boolean },
): Observation {
  let terminal = false;
  let broken = false;
  const place: DecodedPlace = { total: 0, complete: 0 };
  const waiting = new Set<() => void>();
  decoder.on('data', (decoded: Buffer) => {
    if (reader.push(decoded) !== -1) terminal = true;
    const boundary = reader.lastBoundary();
    if (boundary >= 0) place.complete = place.total + boundary;
    place.total += decoded.length;
  });
  decoder.on('error', () => {
    broken = true;
    for (const answer of waiting) answer();
  });
  const outputBoundTokens = () => (broken ? Number.POSITIVE_INFINITY : reader.outputBoundTokens());
  return {
    capture,
    streamed: true,
    isTold: isEvents && !reader.textIncomplete(),
    text: {
      takeText: () => reader.takeText(),
      toolsCalled: () => reader.toolsCalled(),
      textIncomplete: () => broken || reader.textIncomplete() || reader.isContinued(),
    },
    wholeBody: () => null,
    keptBody: () => null,
    outputBoundTokens,
    inputTokens: () => reader.inputTokens(),
    lastBoundary: () => null,
    decoded: () => (isEvents && !broken ? { ...place } : null),
    push(chunk, done) {
      capture.push(chunk);
      if (broken) return done(chunk.length);
      const answer = () => {
        if (waiting.delete(answer)) done(terminal ? 0 : chunk.length);
      };
      waiting.add(answer);
      decoder.write(chunk, answer);
    },
    end() {
      decoder.destroy();
      return { ...reader.end(), outputBoundTokens: outputBoundTokens() };
    },
  };
}

function openDecoder(encoding: string): Transform | null {
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip();
  if (encoding === 'deflate') return createInflate();
  if (encoding === 'br') return createBrotliDecompress();
  return null;
}

function decodeWhole(bytes: Buffer, encoding: string, maxOutputLength: number): Uint8Array | null {
  if (encoding === 'identity' || encoding === '') return bytes;
  try {
    if (encoding === 'gzip' || encoding === 'x-gzip') return gunzipSync(bytes, { maxOutputLength });
    if (encoding === 'deflate') return inflateSync(bytes, { maxOutputLength });
    if (encoding === 'br') return brotliDecompressSync(bytes, { maxOutputLength });
  } catch {
    // A body the provider encoded wrongly is the caller's to judge; here its usage is unknown and the run is marked.
  }
  return null;
}
