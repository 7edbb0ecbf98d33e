/**
 * The text of a stream as it comes, for whoever wants to know it at the end. Memory is bounded by `maxUnits` UTF-16 units; what comes
 * after those is counted and not kept.
 */
export class Transcript {
  readonly #maxUnits: number;
  #texts: string[] = [];
  #kept = 0;
  #units = 0;

  constructor(maxUnits: number) {
    this.#maxUnits = maxUnits;
  }

  push(text: string): void {
    this.#units += text.length;
    const room = this.#maxUnits - this.#kept;
    if (room <= 0) return;
    this.#texts.push(text.slice(0, room));
    this.#kept += Math.min(room, text.length);
  }

  /** All of it; null where it was longer than what is kept. */
  whole(): string | null {
    return this.#units > this.#kept ? null : this.beginning();
  }

  /** As far as it is kept. */
  beginning(): string {
    const joined = this.#texts.join('');
    this.#texts = [joined];
    return joined;
  }
}
