/**
 * Tells which texts of one message were produced and which only repeat others under another name (providers send
 * reasoning under several). A text that stands twice under the same name was produced twice.
 */
export class RepeatedTexts {
  readonly #seen = new Map<string, { most: number; bySlot: number[] }>();

  /** Whether this text, under the name of `slot`, is one more than was seen of it under any name. */
  isNew(slot: number, text: string): boolean {
    const known = this.#seen.get(text) ?? { most: 0, bySlot: [] };
    if (known.most === 0) this.#seen.set(text, known);
    const times = (known.bySlot[slot] ?? 0) + 1;
    known.bySlot[slot] = times;
    if (times <= known.most) return false;
    known.most = times;
    return true;
  }

  /** Begins another message. */
  clear(): void {
    if (this.#seen.size > 0) this.#seen.clear();
  }
}
