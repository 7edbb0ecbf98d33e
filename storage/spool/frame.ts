import { crc32 } from 'node:zlib';
import { type Frame, type FrameKind, frameKinds } from '../schema/record.ts';

/**
 * A frame on disk, little endian:
 *
 *   0  4  magic FF 48 43 and the format's version 01. FF never occurs in UTF-8, so no record can hold a magic.
 *   4  1  kind (`frameKinds`)      5  3  zero
 *   8  4  bytes of the whole frame
 *  12  4  bytes of the head
 *  16  8  seq
 *  24  4  crc32 of bytes 0 to 24: a header that passes has a length that can be trusted
 *  28  4  crc32 of bytes 0 to 24, head and tail
 *  32     head, then tail
 */
export const frameHeaderBytes = 32;

/** Largest frame, header included. A larger payload is cut by whoever captures it. */
export const maxFrameBytes = 16 * 1024 * 1024;

const magic = 0x014348ff;
const kindNames = new Map<number, FrameKind>(
  Object.entries(frameKinds).map(([name, code]) => [code, name as FrameKind]),
);

/** What a header says, once its own checksum has passed. */
export interface FrameHeader {
  kind: FrameKind;
  seq: number;
  totalBytes: number;
  headBytes: number;
}

/** Bytes the frame takes on disk. */
export function frameBytes(frame: Frame): number {
  return frameHeaderBytes + frame.head.length + frame.tail.length;
}

/**
 * Writes the header of `frame` into the first 32 bytes of `into`. Both checksums are computed over the caller's buffers,
 * in at most three native calls and without an allocation but one view. Never fails for a frame of at most `maxFrameBytes`.
 */
export function writeHeader(into: Buffer, frame: Frame): void {
  into.writeUInt32LE(magic, 0);
  into.writeUInt32LE(frameKinds[frame.kind], 4);
  into.writeUInt32LE(frameBytes(frame), 8);
  into.writeUInt32LE(frame.head.length, 12);
  into.writeUInt32LE(frame.seq % 0x1_0000_0000, 16);
  into.writeUInt32LE(Math.floor(frame.seq / 0x1_0000_0000), 20);
  const headerSum = crc32(into.subarray(0, 24));
  const headSum = crc32(frame.head, headerSum);
  into.writeUInt32LE(headerSum, 24);
  into.writeUInt32LE(frame.tail.length === 0 ? headSum : crc32(frame.tail, headSum), 28);
}

/** Reads the header at `at`, which must have 32 bytes behind it. Returns null where it is not a whole, sound header. */
export function readHeader(bytes: Buffer, at: number): FrameHeader | null {
  if (bytes.readUInt32LE(at) !== magic) return null;
  if (crc32(bytes.subarray(at, at + 24)) !== bytes.readUInt32LE(at + 24)) return null;
  const kind = kindNames.get(bytes.readUInt32LE(at + 4));
  const totalBytes = bytes.readUInt32LE(at + 8);
  const headBytes = bytes.readUInt32LE(at + 12);
  if (kind === undefined || totalBytes > maxFrameBytes || headBytes + frameHeaderBytes > totalBytes) return null;
  return {
    kind,
    seq: bytes.readUInt32LE(at + 16) + bytes.readUInt32LE(at + 20) * 0x1_0000_0000,
    totalBytes,
    headBytes,
  };
}

/** Whether the body behind the sound header at `at` is what was written. The whole frame must be in `bytes`. */
export function isBodySound(bytes: Buffer, at: number, header: FrameHeader): boolean {
  const body = bytes.subarray(at + frameHeaderBytes, at + header.totalBytes);
  return crc32(body, bytes.readUInt32LE(at + 24)) === bytes.readUInt32LE(at + 28);
}

/** First position at or after `from` where a sound header stands, or -1. Looks only where 32 bytes are left. */
export function findHeader(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at !== -1; at = bytes.indexOf(0xff, at + 1)) {
    if (at + frameHeaderBytes > bytes.length) return -1;
    if (readHeader(bytes, at) !== null) return at;
  }
  return -1;
}
