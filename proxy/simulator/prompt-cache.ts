import { createHash } from 'node:crypto';

const maxPrompts = 10_000;
/** Cached tokens come in blocks, as at the providers it stands for. */
const blockTokens = 16;

/** Remembers prompts, the newest `maxPrompts` of them, so that a repeated one reads from the cache. */
export class PromptCache {
  readonly #seen = new Set<string>();

  /** Takes a prompt and tells how many of its tokens were there already: all full blocks, or none. */
  take(prompt: string, tokens: number): number {
    const digest = createHash('sha256').update(prompt).digest('base64');
    const known = this.#seen.delete(digest);
    this.#seen.add(digest);
    const [oldest] = this.#seen;
    if (this.#seen.size > maxPrompts && oldest !== undefined) this.#seen.delete(oldest);
    return known ? tokens - (tokens % blockTokens) : 0;
  }
}
