import { createHash, type Hash } from 'node:crypto';
import { commit } from '../../policy/evidence/index.ts';

/** What was kept of an answer's body: the stored bytes, and a commitment to the whole of it or, redacted, to what is stored. */
export interface Captured {
  salt: string;
  /** Null where it was to be redacted and could not be. */
  commitment: string | null;
  wholeBytes: number;
  stored: Buffer | null;
  /** What kind of text the redacted one is; null for bytes as they came. */
  redacted: { contentType: string | null } | null;
}

export interface Capture {
  push(chunk: Uint8Array): void;
  /** Bytes of the body so far, kept or not. */
  readonly wholeBytes: number;
  /** The bytes kept so far, whole unless `truncated`. */
  readonly truncated: boolean;
  bytes(): Buffer;
  end(): Captured & { stored: Buffer };
}

/**
 * Keeps the first `maxBytes` of a body and commits to all of it: SHA-256(salt || body). Memory is bounded by `maxBytes`
 * whatever the body's length.
 */
export function openCapture(salt: string, maxBytes: number): Capture {
  const chunks: Uint8Array[] = [];
  let storedBytes = 0;
  let wholeBytes = 0;
  let hash: Hash | null = null;
  const startHash = (): Hash => {
    const started = createHash('sha256').update(Buffer.from(salt, 'hex'));
    for (const chunk of chunks) started.update(chunk);
    return started;
  };
  const joined = (): Buffer => {
    const only = chunks[0];
    // Most whole answers come in one piece, which needs no copy.
    if (chunks.length === 1 && only !== undefined) return Buffer.from(only.buffer, only.byteOffset, only.byteLength);
    return Buffer.concat(chunks, storedBytes);
  };
  return {
    get wholeBytes() {
      return wholeBytes;
    },
    get truncated() {
      return wholeBytes > storedBytes;
    },
    push(chunk) {
      wholeBytes += chunk.length;
      const room = maxBytes - storedBytes;
      if (hash === null && chunk.length <= room) {
        chunks.push(chunk);
        storedBytes += chunk.length;
        return;
      }
      hash ??= startHash();
      hash.update(chunk);
      if (room <= 0) return;
      chunks.push(chunk.subarray(0, room));
      storedBytes += Math.min(room, chunk.length);
    },
    bytes: joined,
    end() {
      const stored = joined();
      const commitment = hash === null ? commit(salt, stored) : hash.digest('hex');
      return { salt, commitment, wholeBytes, stored, redacted: null };
    },
  };
}
