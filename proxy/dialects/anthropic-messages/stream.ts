import { TextCounter, tokensPerAnswer } from '../delta-text.ts';
import type { AnswerFacts, StreamOptions, StreamReader } from '../dialect.ts';
import { isObject, type JsonObject, parseJson, readLatin1Text } from '../json-fields.ts';
import { type SseHandler, SseScanner } from '../sse.ts';
import { tellText } from '../stream-text.ts';
import { MessageStreamText } from './stream-text.ts';
import { messageTextSlots } from './text-slots.ts';
import { MessageUsage } from './usage.ts';

const typeAtStart = /^\s*\{\s*"type"\s*:\s*"([a-z_]+)"/;
const terminalLine = /^event: ?message_stop *$|^data: ?\{\s*"type"\s*:\s*"message_stop"/;

/** Reads a streamed message: named events from `message_start` to `message_stop`. */
export function openMessageEvents(options?: StreamOptions): StreamReader {
  const kept = options?.keepText === true ? new MessageStreamText() : null;
  const handler = new MessageEvents(kept);
  const scanner = new SseScanner(handler, { keepHeads: kept !== null });
  return {
    push: (chunk) => scanner.push(chunk),
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
    return terminalLine.test(line);
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
    const type = name !== '' ? name : typeAtStart.exec(data)?.[1];
    if (type === 'content_block_delta') {
      if (this.#text.addFramed(data)) {
        this.#kept?.addFramed(data, this.#text.lastText, from);
        return;
      }
      this.#text.addScanned(data, 0);
      this.#kept?.addDelta(data, from);
      if (this.#text.rememberFrame(data)) this.#kept?.rememberFrame(this.#text.lastText);
      return;
    }
    if (type === 'content_block_start') {
      this.#text.addScanned(data, 0);
      this.#kept?.beginBlock(data, from);
      return;
    }
    if (type === 'ping' || type === 'content_block_stop') return;
    const event = parseJson(data);
    if (!isObject(event)) return;
    this.#readEvent(event);
    // Without a name, and where the type is not the first member, only the parsed event tells what it is.
    if (event.type === 'content_block_delta') this.#kept?.addDelta(data, from);
    else if (event.type === 'content_block_start') this.#kept?.beginBlock(data, from);
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
