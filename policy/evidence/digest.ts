import { createHash, hash } from 'node:crypto';
import { HocError } from '../../storage/schema/errors.ts';
import type { Sha256Hex } from '../../storage/schema/snapshot.ts';

const hashBytes = 32;
/** Values up to this size are salted in one reused buffer; larger ones are streamed into the hash. */
const scratchBytes = 8_192;
const scratch = Buffer.allocUnsafeSlow(scratchBytes);
/** Most bytes that UTF-8 needs for one UTF-16 code unit. */
const bytesPerUnit = 3;

/**
 * SHA-256 as lower-case hex. Text is taken as UTF-8.
 * One-shot `crypto.hash` (Node >= 20.12): 0.33 us for short text, half of what `createHash` takes.
 */
export function sha256Hex(data: string | Uint8Array): Sha256Hex {
  return hash('sha256', data, 'hex');
}

/** Leaf hash of RFC 6962, section 2.1: SHA-256(0x00 || raw), where raw is the exact canonical bytes of a record. */
export function leafHash(raw: string): Sha256Hex {
  return hash('sha256', `\0${raw}`, 'hex');
}

/** Inner node of RFC 6962, section 2.1: SHA-256(0x01 || left || right). Throws `internal` for anything but two SHA-256 in hex. */
export function nodeHash(left: Sha256Hex, right: Sha256Hex): Sha256Hex {
  scratch[0] = 1;
  writeHash(left, 1);
  writeHash(right, 1 + hashBytes);
  return hash('sha256', scratch.subarray(0, 1 + 2 * hashBytes), 'hex');
}

/**
 * Commitment to a value that must stay erasable: SHA-256(salt || value).
 *
 * `saltHex` is 16 or more random bytes as lower- or upper-case hex, text is taken as UTF-8, structured values are passed as
 * their canonical JSON. Throws `internal` for a salt that is not hex or shorter, because that commitment would prove nothing.
 */
export function commit(saltHex: string, value: string | Uint8Array): Sha256Hex {
  const saltBytes = saltHex.length / 2;
  if (saltBytes < 16 || saltBytes > 64 || scratch.write(saltHex, 0, 'hex') !== saltBytes) {
    throw new HocError({ code: 'internal', publicMessage: 'a salt is 16 to 64 bytes in hex' });
  }
  if (value.length * bytesPerUnit > scratchBytes - saltBytes) {
    return createHash('sha256').update(scratch.subarray(0, saltBytes)).update(value).digest('hex');
  }
  const end = saltBytes + place(value, saltBytes);
  return hash('sha256', scratch.subarray(0, end), 'hex');
}

function place(value: string | Uint8Array, offset: number): number {
  if (typeof value === 'string') return scratch.write(value, offset, 'utf8');
  scratch.set(value, offset);
  return value.length;
}

function writeHash(hex: Sha256Hex, offset: number): void {
  if (hex.length !== 2 * hashBytes || scratch.write(hex, offset, 'hex') !== hashBytes) {
    throw new HocError({ code: 'internal', publicMessage: 'a tree hash is 64 hex digits' });
  }
}
