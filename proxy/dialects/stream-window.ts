/** Characters (UTF-16 units) of text between two verdicts on a stream. */
export const verdictEvery = 256;
/** Characters before a verdict's place that it looks at. */
export const windowLength = 4096;

/**
 * The last characters of a text that comes in pieces, and the places in it at which a verdict is due: every 256
 * characters. Places and windows are those of the text alone, however it is cut into pieces. Holds one piece and two windows.
 */
export class StreamWindow {
  #held = '';
  /** Place in the whole text at which `#held` begins. */
  #heldFrom = 0;
  #total = 0;

  /** Takes the next piece; returns the places within it at which a verdict is due, ascending, as numbers of characters. */
  feed(text: string): number[] {
    // Cut down now and then, not with every word: that would copy a window for each.
    const kept = this.#held.length > 2 * windowLength ? this.#held.slice(-windowLength) : this.#held;
    this.#held = kept + text;
    this.#heldFrom = this.#total - kept.length;
    const due: number[] = [];
    for (let at = nextDue(this.#total); at <= this.#total + text.length; at += verdictEvery) due.push(at);
    this.#total += text.length;
    return due;
  }

  /** Up to 4,096 characters before a place, which must lie within the last piece or at its ends; by default all so far. */
  window(at = this.#total): string {
    const end = at - this.#heldFrom;
    return this.#held.slice(Math.max(0, end - windowLength), end);
  }

  /** Characters so far. */
  total(): number {
    return this.#total;
  }
}

function nextDue(total: number): number {
  return (Math.floor(total / verdictEvery) + 1) * verdictEvery;
}
