import { isObject, type JsonObject, readCount } from '../json-fields.ts';
import { judgeUsage, type ReportedUsage } from '../usage.ts';

const inputNames = ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'] as const;

/**
 * Collects the usage of one message, whole or over its stream. Reports are running totals and are never added up: of each
 * figure the largest stands, and one that falls is a flaw. A later report whose input is all zero says nothing new of the input (some compatible servers send that).
 */
export class MessageUsage {
  readonly #figures = new Map<string, number>();
  #invalid = false;
  #fell = false;

  /** Takes a `usage` object; anything else is silence. */
  add(raw: unknown): void {
    if (!isObject(raw)) return;
    const saysInput = inputNames.some((name) => (readCount(raw[name]) ?? 0) > 0);
    if (saysInput || !this.#figures.has('input_tokens')) for (const name of inputNames) this.#take(raw, name);
    this.#take(raw, 'output_tokens');
    if (isObject(raw.cache_creation)) this.#take(raw.cache_creation, 'ephemeral_1h_input_tokens');
    if (isObject(raw.output_tokens_details)) this.#take(raw.output_tokens_details, 'thinking_tokens');
  }

  /** The normalised usage: input includes cache reads and writes, which Anthropic counts beside it. */
  read(): ReportedUsage {
    const uncached = this.#figures.get('input_tokens') ?? null;
    const cached = this.#figures.get('cache_read_input_tokens') ?? null;
    const written = this.#figures.get('cache_creation_input_tokens') ?? null;
    const input = uncached === null ? null : uncached + (cached ?? 0) + (written ?? 0);
    const long = this.#figures.get('ephemeral_1h_input_tokens') ?? 0;
    return judgeUsage(
      {
        ...(long > 0 ? { cache_write_1h_tokens: long } : {}),
        input_tokens: readCount(input),
        output_tokens: this.#figures.get('output_tokens') ?? null,
        cached_input_tokens: cached,
        cache_write_tokens: written,
        reasoning_tokens: this.#figures.get('thinking_tokens') ?? null,
      },
      { invalid: this.#invalid, fell: this.#fell },
    );
  }

  #take(from: JsonObject, name: string): void {
    const raw = from[name];
    if (raw === undefined || raw === null) return;
    const count = readCount(raw);
    if (count === null) this.#invalid = true;
    else if (count < (this.#figures.get(name) ?? 0)) this.#fell = true;
    else this.#figures.set(name, count);
  }
}
