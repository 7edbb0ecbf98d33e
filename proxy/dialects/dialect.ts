import type { ErrorCode } from '../../storage/schema/errors.ts';
import type { Usage } from '../../storage/schema/run.ts';
import type { AnswerTexts, BodyChanges, ChangedBody, RequestTexts } from './body-shapes.ts';

export type {
  AnswerTexts,
  BodyChange,
  BodyChanges,
  ChangedBody,
  RequestTexts,
  TextExtra,
  TextRole,
  TextSpot,
} from './body-shapes.ts';

/** Closed list of why a request's facts do not bound its cost. */
export const unboundedReasons = [
  'remote_media',
  'stored_content',
  'server_tool',
  'model_choice',
  'unread_format',
] as const;
export type UnboundedReason = (typeof unboundedReasons)[number];

/** Neutral facts of a request, as far as a dialect can read them. Absent is null, never a guess. */
export interface RequestFacts {
  model: string | null;
  streamed: boolean;
  /** The caller's own output cap in tokens, for all asked answers together (cap times `choices`). */
  maxOutputTokens: number | null;
  /** Answers asked for (`n`), 1 or more. Where `maxOutputTokens` is null, a model's own cap applies to each of them. */
  choices: number;
  messageCount: number | null;
  /**
   * Names of the tools offered, in order: all that servers could take for one, and what stands for the tools that a provider
   * brings. Null where they cannot be told: no reader, no list, or a tool without any name.
   */
  tools: readonly string[] | null;
  /**
   * Bound of the input's tokens: one for each body byte outside base64 media, a fixed allowance for each medium, and one
   * for the prompt that providers write by themselves where tools or a schema are asked for. See `boundInput`.
   */
  inputBoundTokens: number;
  /** Audio, images and video in the request, and what it names by an address, as far as it is known; null where the format is not. */
  mediaParts: number | null;
  /** Whether the input holds audio or images, or may: where its facts do not bound it. */
  inputMedia: boolean;
  /** Whether the request may write to a prompt cache that is kept for an hour, which costs more: it names a `ttl`. */
  longCache: boolean;
  /** ceil(body bytes outside base64 media / 4): for screens and per-run caps, always marked an estimate. */
  estimatedInputTokens: number;
  /**
   * Whether the request asks for output that its answer may not show, or not in a size that tells its tokens: reasoning,
   * a prediction, audio, images. What is shown is then no bound; with or without it, so is `ModelPrice.hidden_output`.
   */
  hiddenOutput: boolean;
  /** Whether the request asks for a class of service whose rates no price list tells: a faster one, or one of a region. */
  unlistedRate: boolean;
  /** Why the request's facts do not bound its cost, one of `unboundedReasons`; null where they do. */
  unbounded: UnboundedReason | null;
  /** The caller's own name for the person behind the run, from the body (`user`, `metadata.user_id`). */
  bodyActor: string | null;
  /** A streamed request that did not ask for usage although the dialect can be asked. */
  usageNotAsked: boolean;
}

/**
 * `invalid`: a negative, fractional or unreadable figure, which was left out. `partial`: input or output is missing.
 * `zero`: no input tokens at all. `inconsistent`: parts are larger than their whole, or a running total fell.
 */
export type UsageFlaw = 'invalid' | 'partial' | 'zero' | 'inconsistent';

/** What an answer says of itself. Null where the provider was silent. */
export interface AnswerFacts {
  usage: Usage;
  /** Whether the provider reported input or output tokens. */
  usageReported: boolean;
  /** What is doubtful in the reported usage; null where nothing is, or where nothing was reported. */
  usageFlaw: UsageFlaw | null;
  model: string | null;
  finishReason: string | null;
  /** UTF-16 units of output text seen (text, reasoning, tool arguments), for an estimate where usage is missing. */
  outputCharacters: number;
  /** As `StreamReader.outputBoundTokens` at the end; of a whole answer the same of its text, parts and calls. */
  outputBoundTokens: number;
  /**
   * The provider's own error inside a 2xx answer, a stream that ended before it was complete (no terminal event, and no
   * finish reason where the format makes the terminal event a courtesy), or a whole answer that cannot be read.
   */
  failed: boolean;
}

/**
 * Reads a streamed answer in bounded memory, in any chunking. `push` returns the offset within `chunk` at which the
 * dialect's terminal event begins (0 when it began in an earlier chunk), or -1 while the stream goes on. Bytes from that
 * offset on are released only after `finish` stands in the spool. A line that has not ended may still turn out to be
 * another one: then a later push returns -1 or an offset above 0, and what waited may go. Once its end has come all return 0.
 *
 * Nothing else is ever held: bytes before that offset are released at once, also the first bytes of what turns out to be
 * the terminal event when a chunk ends within it. The promise is that the byte which completes the terminal marker
 * (`[DONE]`, the line `event: message_stop`) is never among the released ones, so that no client can act on it early.
 * `end` tells the facts as of now; it may be called at the terminal offset, at the end of the stream, or at a cut.
 */
export interface StreamReader {
  push(chunk: Uint8Array): number;
  /** Whether all of the terminal event has come, up to its blank line or the end of the stream. */
  ended(): boolean;
  /** Whether events stand behind the terminal one. They are not read, and are in no text. */
  isContinued(): boolean;
  /**
   * Tokens that cannot be exceeded by the output shown so far: UTF-8 bytes of its text (answer, reasoning, names and
   * arguments of tools), one an event, and allowances for calls, turns, audio and images. An event counts once it is complete, or with
   * all its bytes once it is longer than 16 KiB, so that the figure can fall when a long event holds less text.
   */
  outputBoundTokens(): number;
  /** The provider's own count of the input, as soon as it has told it; null until then. */
  inputTokens(): number | null;
  /**
   * Where the stream can be cut within the last pushed chunk: just behind its last complete event; 0 where the stream
   * stood between events before that chunk and none ended in it; -1 where it stands inside an event that began earlier, or
   * holds no events at all.
   */
  lastBoundary(): number;
  /**
   * The text decoded since the last call, one entry an event that brought any; after `end` also that of an event without
   * its blank line. Always none where the stream was not opened with `keepText`.
   *
   * It is one text in the order of the stream: every string of what the answer consists of that is not known to be no text, as
   * they come, a line feed wherever one of them, or another choice, gives way to another; what an event repeats under a second
   * name, or a call sends again, counts once. Escapes (`\\u0061`) in the arguments of tools are read, once they are complete.
   */
  takeText(): readonly StreamText[];
  /** Names of the tools whose calls have begun, one for each call, in order. With `keepText` alone. */
  toolsCalled(): readonly string[];
  /**
   * Whether some text is not in `takeText`, or not in an order in which it can be read: an event of more than 1 MiB, as soon
   * as that is known, or one that is no JSON (of both the first 64 Ki characters are), a line that is no field, an event
   * under another name than its own, texts that take turns (choices, or an answer with its citations), which tears their words apart, or more than 1,024 calls of tools. True as well where no text is kept.
   */
  textIncomplete(): boolean;
  end(): AnswerFacts;
}

/** Text that one event of a stream brought. */
export interface StreamText {
  /**
   * Offset in the whole stream at which the event's first line begins: all bytes before it belong to events (and comments)
   * that are complete. It is the same in every chunking; a stream is cut here so that nothing of the event gets out.
   */
  from: number;
  text: string;
  /** `StreamReader.toolsCalled` as of this event: later ones may add to the last name. */
  tools: readonly string[];
  /** `StreamReader.textIncomplete` as of this event. */
  incomplete: boolean;
}

export interface StreamOptions {
  /** Keep the decoded text for `takeText`, at about the cost of reading the stream a second time. */
  keepText?: boolean;
}

/**
 * Takes out of a stream what `askUsage` added to it, and nothing else. `push` returns the bytes to release for these
 * bytes, `end` what was still held. An event is held until its blank line, or until it is too large to be of concern.
 */
export interface UsageFilter {
  push(chunk: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

/** A refusal or failure to be told in the dialect's own words. */
export interface RefusalNotice {
  code: ErrorCode;
  status: number;
  message: string;
  runId: string;
}

export interface RouteShape {
  method: string;
  /** Path after the provider's slug, without the query, verbatim. */
  path: string;
}

/** A pure reader of one wire format. No I/O, no clock, no provider names beyond its own wire format. */
export interface Dialect {
  id: string;
  /** Price list of the dialect's home vendor, used where the provider's slug has none. Null for none. */
  vendor: string | null;
  /** Whether method and path (first) and the parsed body (then) are this dialect's. Never by slug or host. */
  recognizes(route: RouteShape, body: unknown): boolean;
  readRequest(input: { route: RouteShape; body: unknown; bytes: Uint8Array }): RequestFacts;
  /** Facts of a whole (not streamed) answer, decoded. Malformed input gives facts with nulls, never an error. */
  readAnswer(body: Uint8Array, contentType: string | null): AnswerFacts;
  openStream(contentType: string | null, options?: StreamOptions): StreamReader;
  /** Textual insertion that asks a stream for usage, or null where it is not possible or already asked. */
  askUsage: ((bytes: Uint8Array, body: unknown) => { bytes: Uint8Array } | null) | null;
  /** Filter for the answer of a request that `askUsage` changed. Null where `askUsage` is. */
  openUsageFilter: (() => UsageFilter) | null;
  /**
   * All texts of a request. `body` is what `bytes` parse to; null result: it is no object, or holds more than is read, so
   * that its texts are unknown. Null where the format has no reader.
   */
  readRequestTexts: ((bytes: Uint8Array, body: unknown) => RequestTexts | null) | null;
  /** All texts of a whole answer, decoded; as `readRequestTexts`. */
  readAnswerTexts: ((bytes: Uint8Array, body: unknown) => AnswerTexts | null) | null;
  /**
   * Changes a request's body in its text alone: every byte that has no part in a change stays. Never throws. What a change
   * does to the cost and to all other facts is for the caller to read again. Null where the format has no changes.
   */
  change: ((input: { bytes: Uint8Array; body: unknown; route: RouteShape; plan: BodyChanges }) => ChangedBody) | null;
  /** Top-level names that this format reads: a body that has one in another spelling may be read differently elsewhere. */
  governedNames: ReadonlySet<string>;
  /** Header that carries the credential in this format, lower-case; `authorization` means a bearer token. */
  credentialHeader: string;
  /** The native error body for a refusal: `x-hoc-*` headers are added by the caller. */
  renderRefusal(notice: RefusalNotice): { contentType: string; body: string };
  /**
   * Bytes that end an event stream, at a boundary, as the format's own error: its SDKs raise it. Null: break off, which
   * every client takes for an incomplete answer.
   */
  renderCut(notice: RefusalNotice): string | null;
}
