/** Length of one token, in UTF-16 units: the simulator's tokenizer, the same for input and output. */
export const unitsPerToken = 4;
/** What any image or file counts as, whatever its size. */
export const tokensPerAttachment = 85;

/** Tokens of a text of this many UTF-16 units, rounded up. */
export function countTokens(units: number): number {
  return Math.ceil(units / unitsPerToken);
}

/** Cuts a text into its tokens. A character is never cut in two, so that a token can be one unit longer or shorter. */
export function splitTokens(text: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = at + unitsPerToken;
    const last = text.charCodeAt(end - 1);
    if (last >= 0xd800 && last < 0xdc00) end--;
    tokens.push(text.slice(at, end));
    at = end;
  }
  return tokens;
}

/** A 32-bit number that depends on a text's content alone (FNV-1a): the seed of timing and wording. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  const step = Math.max(1, Math.floor(text.length / 512));
  for (let at = 0; at < text.length; at += step) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return Math.imul(hash ^ text.length, 0x01000193) >>> 0;
}
