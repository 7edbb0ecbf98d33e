import { hasMember, TextCounter, type TextSlots } from '../delta-text.ts';
import type { AnswerFacts, StreamReader } from '../dialect.ts';
import { isObject, type JsonObject, parseJson, readLatin1Text } from '../json-fields.ts';
import { type SseHandler, SseScanner } from '../sse.ts';
import { type ReportedUsage, silentUsage } from '../usage.ts';
import { findChatUsage, readChatUsage } from './usage.ts';

/** Slot 0 is the answer; of slots 1 to 3 only the largest counts, as providers send reasoning under several names. */
const textSlots: TextSlots = new Map([
  ['content', 0],
  ['refusal', 0],
  ['arguments', 0],
  ['input', 0],
  ['transcript', 0],
  ['reasoning', 1],
  ['reasoning_content', 2],
  ['text', 3],
]);

/** Reads a streamed chat completion: chunks of JSON, then `data: [DONE]`. */
export function openChatEvents(): StreamReader {
  const handler = new ChatEvents();
  const scanner = new SseScanner(handler);
  return {
    push: (chunk) => scanner.push(chunk),
    end() {
      scanner.end();
      return handler.facts(scanner.ended);
    },
  };
}

class ChatEvents implements SseHandler {
  #usage: ReportedUsage = silentUsage;
  #model: string | null = null;
  #finishReason: string | null = null;
  #failed = false;
  #passedOverBytes = 0;
  readonly #text = new TextCounter(textSlots, { wholeFrame: true });

  endsStream(line: string): boolean {
    return line.charCodeAt(0) === 0x64 && line.length < 32 && /^data: ?\[DONE\] *$/.test(line);
  }

  passedOver(bytes: number): void {
    this.#passedOverBytes += bytes;
  }

  event(_name: string, data: string): void {
    if (this.#text.addFramed(data)) return;
    const delta = data.indexOf('"delta"');
    if (delta >= 0) this.#text.addScanned(data, delta);
    if (this.#tellsMore(data)) {
      const chunk = parseJson(data);
      if (isObject(chunk)) this.#readChunk(chunk);
    } else if (delta >= 0) this.#text.rememberFrame(data);
  }

  #tellsMore(data: string): boolean {
    return (
      hasMember(data, '"finish_reason"') ||
      hasMember(data, '"usage"') ||
      hasMember(data, '"error"') ||
      (this.#model === null && hasMember(data, '"model"'))
    );
  }

  /** Facts as of now; without `[DONE]` an answer is complete when the provider told why it finished. */
  facts(done: boolean): AnswerFacts {
    const [answer = 0, ...reasoning] = this.#text.totals;
    return {
      usage: this.#usage.usage,
      usageReported: this.#usage.reported,
      usageFlaw: this.#usage.flaw,
      model: this.#model,
      finishReason: this.#finishReason,
      outputCharacters: answer + Math.max(...reasoning) + this.#passedOverBytes,
      failed: this.#failed || !(done || this.#finishReason !== null),
    };
  }

  /** Usage is a running total: the last report stands for the whole answer and is never added up. */
  #readChunk(chunk: JsonObject): void {
    if (chunk.error !== undefined && chunk.error !== null) this.#failed = true;
    this.#model ??= readLatin1Text(chunk.model);
    const first: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    if (isObject(first)) this.#finishReason = readLatin1Text(first.finish_reason) ?? this.#finishReason;
    const usage = readChatUsage(findChatUsage(chunk));
    if (usage.reported || usage.flaw !== null) this.#usage = usage;
  }
}
