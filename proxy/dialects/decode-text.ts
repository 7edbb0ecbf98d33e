/** Bytes at the beginning by which an encoding is told. */
const sampleBytes = 512;

/**
 * The text of bytes that say nothing of their encoding: UTF-8, or UTF-16 where a byte order mark or zeros in every other
 * byte tell it. Null where they are none of these. A byte order mark is no text.
 */
export function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder(readEncoding(bytes), { fatal: true }).decode(bytes);
  } catch {
    // Bytes that are no text are no error: whoever asks for their text finds that there is none.
    return null;
  }
}

/** Whether bytes begin like a text that can be read; what is cut off at their end does not matter. */
export function beginsAsText(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return false;
  try {
    const decoder = new TextDecoder(readEncoding(bytes), { fatal: true });
    const text = decoder.decode(bytes, { stream: true });
    return !hasControls(text);
  } catch {
    return false; // As above.
  }
}

function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x09 || (unit > 0x0d && unit < 0x20 && unit !== 0x1b)) return true;
  }
  return false;
}

function readEncoding(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const length = Math.min(bytes.length, sampleBytes) & ~1;
  if (length < 4) return 'utf-8';
  const zeros = [0, 0];
  for (let at = 0; at < length; at++) if (bytes[at] === 0) zeros[at & 1] = (zeros[at & 1] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  // A character outside ASCII here and there does not hide that half of the bytes are zero.
  if (odd > length / 4 && even < odd / 4) return 'utf-16le';
  return even > length / 4 && odd < even / 4 ? 'utf-16be' : 'utf-8';
}
