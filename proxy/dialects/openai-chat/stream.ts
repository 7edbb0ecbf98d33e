import { hasMember, idsSlot, TextCounter, tokensPerAnswer } from '../delta-text.ts';
import type { AnswerFacts, StreamOptions, StreamReader } from '../dialect.ts';
import { isObject, type JsonObject, parseJson, readLatin1Text, readList } from '../json-fields.ts';
import { SseScanner } from '../sse.ts';
import type { SseHandler } from '../sse-fields.ts';
import { tellText } from '../stream-text.ts';
import { mergeReports, type ReportedUsage, silentUsage } from '../usage.ts';
import { boundChatMedia } from './output-media.ts';
import { ChatStreamText } from './stream-text.ts';
import { chatTextSlots } from './text-slots.ts';
import { findChatUsage, readChatUsage } from './usage.ts';

/** Reads a streamed chat completion: chunks of JSON, then `data: [DONE]`. */
export function openChatEvents(options?: StreamOptions): StreamReader {
  const kept = options?.keepText === true ? new ChatStreamText() : null;
  const handler = new ChatEvents(kept);
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

class ChatEvents implements SseHandler {
  #usage: ReportedUsage = silentUsage;
  #model: string | null = null;
  #finishReason: string | null = null;
  #failed = false;
  #passedOverBytes = 0;
  #events = 0;
  #mediaTokens = 0;
  /** Choices that told why they ended. */
  #finished = 0;
  readonly #text = new TextCounter(chatTextSlots, { wholeFrame: true });
  readonly #kept: ChatStreamText | null;

  constructor(kept: ChatStreamText | null) {
    this.#kept = kept;
  }

  endsStream(line: string): boolean {
    return line.charCodeAt(0) === 0x64 && line.length < 32 && /^data: ?\[DONE\] *$/.test(line);
  }

  ended(name: string, data: string, from: number): void {
    if (data.trimEnd() !== '[DONE]') this.#kept?.addEvent(name, data, from);
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
    const answers = this.#events === 0 ? 0 : Math.max(1, this.#finished) * tokensPerAnswer;
    return this.#text.boundTokens + this.#passedOverBytes + this.#mediaTokens + this.#events + answers;
  }

  /** What the newest report says of the input. */
  inputTokens(): number | null {
    return this.#usage.usage.input_tokens;
  }

  event(name: string, data: string, from: number): void {
    this.#events++;
    if (this.#text.addFramed(data)) {
      this.#kept?.addFramed({ name, data, from }, this.#text.lastText);
      return;
    }
    this.#kept?.addEvent(name, data, from);
    const delta = data.indexOf('"delta"');
    if (delta >= 0) this.#text.addScanned(data, delta);
    if (this.#tellsMore(data)) {
      const chunk = parseJson(data);
      if (isObject(chunk)) this.#readChunk(chunk);
    } else if (delta >= 0 && this.#text.rememberFrame(data)) this.#kept?.rememberFrame(this.#text.lastText);
  }

  #tellsMore(data: string): boolean {
    return (
      hasMember(data, '"finish_reason"') ||
      hasMember(data, '"usage"') ||
      hasMember(data, '"error"') ||
      hasMember(data, '"audio"') ||
      hasMember(data, '"images"') ||
      (this.#model === null && hasMember(data, '"model"'))
    );
  }

  /** Facts as of now; without `[DONE]` an answer is complete when the provider told why it finished. */
  facts(done: boolean): AnswerFacts {
    const [answer = 0, ...reasoning] = this.#text.totals.slice(0, idsSlot);
    return {
      usage: this.#usage.usage,
      usageReported: this.#usage.reported,
      usageFlaw: this.#usage.flaw,
      model: this.#model,
      finishReason: this.#finishReason,
      outputCharacters: answer + Math.max(...reasoning) + this.#passedOverBytes,
      outputBoundTokens: this.outputBoundTokens(),
      failed: this.#failed || !(done || this.#finishReason !== null),
    };
  }

  #readChunk(chunk: JsonObject): void {
    if (chunk.error !== undefined && chunk.error !== null) this.#failed = true;
    this.#model ??= readLatin1Text(chunk.model);
    for (const choice of readList(chunk.choices)) {
      if (!isObject(choice)) continue;
      this.#mediaTokens += boundChatMedia(choice.delta);
      if (typeof choice.finish_reason === 'string') this.#finished++;
    }
    const first: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    if (isObject(first)) this.#finishReason = readLatin1Text(first.finish_reason) ?? this.#finishReason;
    this.#usage = mergeReports(this.#usage, readChatUsage(findChatUsage(chunk)));
  }
}
