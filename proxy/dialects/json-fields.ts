/** A parsed JSON object whose members are not known yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** Whether a parsed JSON value is an object (not an array, not null). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The elements of a JSON array, or none for anything else. */
export function readList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A non-empty string, or null for anything else. */
export function readText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** A count of tokens: an integer from 0 to 2^53 - 1, or null for anything else. */
export function readCount(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}

/** A cap as a caller states it: an integer of 1 or more. 0, negatives and the rest are null: no cap that holds. */
export function readCap(value: unknown): number | null {
  const count = readCount(value);
  return count === 0 ? null : count;
}

/** The value of a JSON text; undefined (which no JSON text has) where it cannot be parsed. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A view of the same bytes as Buffer, without copying. */
export function viewBytes(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A non-empty string out of JSON that was decoded byte by byte (latin1), as the UTF-8 text it is; else null. */
export function readLatin1Text(value: unknown): string | null {
  const text = readText(value);
  return text === null ? null : Buffer.from(text, 'latin1').toString('utf8');
}
