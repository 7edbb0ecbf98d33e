/** Words that stand in examples and never in a secret that was drawn at random. */
const exampleWords = [
  'example',
  'placeholder',
  'redacted',
  'changeme',
  'insert',
  'dummy',
  'not-real',
  '0000000',
  '1111111',
  'aaaaaa',
  '1234567890',
  'abcdefgh',
];
/** Short ones: only as they are written, since chance makes four letters of mixed case soon. */
const shortWords = ['xxxx', 'XXXX', 'your', 'YOUR', 'Your'];
/** A random text of 20 characters or more over 16 letters has fewer different ones once in ten thousand times. */
const fewestDifferent = 8;

/** Whether a text looks like the stand-in for a secret: a word of examples in it, or too few different characters. */
export function isPlaceholder(text: string): boolean {
  const lower = text.toLowerCase();
  if (new Set(lower).size < Math.min(fewestDifferent, text.length)) return true;
  return exampleWords.some((word) => lower.includes(word)) || shortWords.some((word) => text.includes(word));
}

/** Whether a text looks drawn at random: digits and letters, and at least three bits a character (Shannon, over itself). */
export function looksRandom(text: string): boolean {
  if (!/[0-9]/.test(text) || !/[A-Za-z]/.test(text)) return false;
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits >= 3;
}
