import { TextCounter, tokensPerAnswer } from '../delta-text.ts';
import type { AnswerFacts, StreamOptions, StreamReader } from '../dialect.ts';
import { isObject, type JsonObject, parseJson, readLatin1Text, readText } from '../json-fields.ts';
import { SseScanner } from '../sse.ts';
import type { SseHandler } from '../sse-fields.ts';
import { tellText } from '../stream-text.ts';
import { MessageStreamText } from './stream-text.ts';
import { messageTextSlots } from './text-slots.ts';
import { MessageUsage } from './usage.ts';

const typeAtStart = /^\s*\{\s*"type"\s*:\s*"([a-z_]+)"/;
/** Events that tell usage, or how the message ended. */
const readTypes: ReadonlySet<string> = new Set(['message_start', 'message_delta', 'error']);
const terminalName = /^event: ?message_stop *$/;
const terminalData = /^data: ?(?=\{\s*"type"\s*:\s*"message_stop")/;

/** Reads a streamed message: named events from `message_start` to `message_stop`. */
export function openMessageEvents(options?: StreamOptions): StreamReader {
  const kept = options?.keepText === true ? new MessageStreamText() : null;
  const handler = new MessageEvents(kept);
  const scanner = new SseScanner(handler, { keepHeads: kept !== null });
  return {
    push: (chunk) => scanner.push(chunk),
    ended: () => scanner.complete,
    isContinued: () => scanner.isContinued,
    outputBoundTokens: () => handler.outputBoundTokens() + scanner.longOpenBytes,
    inputTokens: () => handler.inputTokens(),
    lastBoundary: () => scanner.lastBoundary,
    ...tellText(kept?.text ?? null),
    end() {
      scanner.end();
      return handler.facts(scanner.ended);
    },
  };
}

class MessageEvents implements SseHandler {
  readonly #usage = new MessageUsage();
  readonly #text = new TextCounter(messageTextSlots, { wholeFrame: false });
  #passedOverBytes = 0;
  #events = 0;
  #model: string | null = null;
  #finishReason: string | null = null;
  #failed = false;
  readonly #kept: MessageStreamText | null;

  constructor(kept: MessageStreamText | null) {
    this.#kept = kept;
  }

  endsStream(line: string): boolean {
    if (terminalName.test(line)) return true;
    const prefix = terminalData.exec(line);
    if (prefix === null) return false;
    // Of two members of that name parsers take the last.
    const event = parseJson(line.slice(prefix[0].length));
    return !isObject(event) || event.type === 'message_stop';
  }

  ended(name: string, data: string, from: number): void {
    if (data.trim() !== '') this.#kept?.addEvent(name, data, from);
  }

  unclear(): void {
    if (this.#kept !== null) this.#kept.text.incomplete = true;
  }

  passedOver(bytes: number, head: string, from: number): void {
    this.#passedOverBytes += bytes;
    this.#events++;
    this.#kept?.text.addBroken(head, from);
  }

  /** See `StreamReader.outputBoundTokens`, without an event that is still open. */
  outputBoundTokens(): number {
    const answer = this.#events === 0 ? 0 : tokensPerAnswer;
    return this.#text.boundTokens + this.#passedOverBytes + this.#events + answer;
  }

  /** What the newest report says of the input; the first one comes with `message_start`. */
  inputTokens(): number | null {
    return this.#usage.read().usage.input_tokens;
  }

  event(name: string, data: string, from: number): void {
    this.#events++;
    // Only events of that type leave a frame.
    if (this.#text.addFramed(data)) {
      this.#kept?.addFramed({ name, data, from }, this.#text.lastText);
      return;
    }
    this.#kept?.addEvent(name, data, from);
    const told = typeAtStart.exec(data)?.[1];
    const event = told === undefined || readTypes.has(told) ? parseJson(data) : undefined;
    // What clients read an event by is the type in its data; its name tells it where there is none.
    const type = told ?? (isObject(event) ? readText(event.type) : null) ?? name;
    if (type === 'content_block_delta' || type === 'content_block_start') this.#text.addScanned(data, 0);
    if (type !== 'content_block_delta') {
      if (isObject(event)) this.#readEvent(event);
    } else if (this.#text.rememberFrame(data)) this.#kept?.rememberFrame(this.#text.lastText);
  }

  /** Facts as of now; without `message_stop` the message is not complete. */
  facts(done: boolean): AnswerFacts {
    const { usage, reported, flaw } = this.#usage.read();
    return {
      usage,
      usageReported: reported,
      usageFlaw: flaw,
      model: this.#model,
      finishReason: this.#finishReason,
      outputCharacters: (this.#text.totals[0] ?? 0) + this.#passedOverBytes,
      outputBoundTokens: this.outputBoundTokens(),
      failed: this.#failed || !done,
    };
  }

  #readEvent(event: JsonObject): void {
    if (event.type === 'error' || isObject(event.error)) this.#failed = true;
    if (event.type === 'message_start' && isObject(event.message)) {
      this.#model = readLatin1Text(event.message.model) ?? this.#model;
      this.#usage.add(event.message.usage);
    } else if (event.type === 'message_delta') {
      if (isObject(event.delta)) {
        this.#finishReason = readLatin1Text(event.delta.stop_reason) ?? this.#finishReason;
      }
      this.#usage.add(event.usage);
    }
  }
}
