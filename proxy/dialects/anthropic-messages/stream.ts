import { TextCounter, tokensPerAnswer } from '../delta-text.ts';
import type { AnswerFacts, StreamReader } from '../dialect.ts';
import { isObject, type JsonObject, parseJson, readLatin1Text } from '../json-fields.ts';
import { type SseHandler, SseScanner } from '../sse.ts';
import { messageTextSlots } from './text-slots.ts';
import { MessageUsage } from './usage.ts';

const typeAtStart = /^\s*\{\s*"type"\s*:\s*"([a-z_]+)"/;
const terminalLine = /^event: ?message_stop *$|^data: ?\{\s*"type"\s*:\s*"message_stop"/;

/** Reads a streamed message: named events from `message_start` to `message_stop`. */
export function openMessageEvents(): StreamReader {
  const handler = new MessageEvents();
  const scanner = new SseScanner(handler);
  return {
    push: (chunk) => scanner.push(chunk),
    outputBoundTokens: () => handler.outputBoundTokens() + scanner.longOpenBytes,
    inputTokens: () => handler.inputTokens(),
    lastBoundary: () => scanner.lastBoundary,
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

  endsStream(line: string): boolean {
    return terminalLine.test(line);
  }

  passedOver(bytes: number): void {
    this.#passedOverBytes += bytes;
    this.#events++;
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

  event(name: string, data: string): void {
    this.#events++;
    const type = name !== '' ? name : typeAtStart.exec(data)?.[1];
    if (type === 'content_block_delta') {
      if (this.#text.addFramed(data)) return;
      this.#text.addScanned(data, 0);
      this.#text.rememberFrame(data);
      return;
    }
    if (type === 'content_block_start') {
      this.#text.addScanned(data, 0);
      return;
    }
    if (type === 'ping' || type === 'content_block_stop') return;
    const event = parseJson(data);
    if (isObject(event)) this.#readEvent(event);
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
