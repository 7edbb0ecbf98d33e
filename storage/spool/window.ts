import type { FileHandle } from 'node:fs/promises';
import type { FrameKind } from '../schema/record.ts';
import { findHeader, frameHeaderBytes, isBodySound, readHeader } from './frame.ts';

/** A frame as read back. Head and tail are views of the bytes read; they stay good for as long as they are held. */
export interface SpoolFrame {
  kind: FrameKind;
  seq: number;
  head: Buffer;
  tail: Buffer;
}

/** How far one reading may go. It always takes at least one frame. */
export interface ReadBudget {
  frames: number;
  bytes: number;
}

/** Why reading a window stopped, at `at`: `short` needs `neededBytes` from there to go on. */
export type WindowStop =
  | { reason: 'short'; at: number; neededBytes: number }
  | { reason: 'damaged'; at: number }
  | { reason: 'budget'; at: number };

/** Takes whole, sound frames out of `window` into `frames` and from the budget, and says where and why it stopped. */
export function takeFrames(window: Buffer, frames: SpoolFrame[], budget: ReadBudget): WindowStop {
  let at = 0;
  while (at + frameHeaderBytes <= window.length) {
    const header = readHeader(window, at);
    if (header === null) return { reason: 'damaged', at };
    const end = at + header.totalBytes;
    if (budget.frames <= 0 || (header.totalBytes > budget.bytes && frames.length > 0)) return { reason: 'budget', at };
    if (end > window.length) return { reason: 'short', at, neededBytes: header.totalBytes };
    if (!isBodySound(window, at, header)) return { reason: 'damaged', at };
    const tailAt = at + frameHeaderBytes + header.headBytes;
    frames.push({
      kind: header.kind,
      seq: header.seq,
      head: window.subarray(at + frameHeaderBytes, tailAt),
      tail: window.subarray(tailAt, end),
    });
    budget.frames -= 1;
    budget.bytes -= header.totalBytes;
    at = end;
  }
  return { reason: 'short', at, neededBytes: frameHeaderBytes };
}

/** Reads `bytes` bytes at `offset`, fewer where the file ends before. */
export type ReadWindow = (file: FileHandle, offset: number, bytes: number) => Promise<Buffer>;

const blockBytes = 4096;

/** Reads a window. Rejects with the system's error. */
export async function readWindow(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const window = Buffer.allocUnsafe(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await file.read(window, filled, bytes - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return window.subarray(0, filled);
}

/**
 * Reads a window of which the disk refuses a part: block by block, with zeros where a block cannot be read, so that the frames
 * there fail their checksums and those around them do not. Rejects where not one block can be read.
 */
export async function readAround(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const { size } = await file.stat();
  const window = Buffer.alloc(Math.max(0, Math.min(bytes, size - offset)));
  let readable = 0;
  let refusal: unknown = null;
  for (let at = 0; at < window.length; ) {
    const blockEnd = blockBytes - ((offset + at) % blockBytes);
    const length = Math.min(blockEnd, window.length - at);
    try {
      await file.read(window, at, length, offset + at);
      readable += 1;
    } catch (error) {
      refusal = error;
      window.fill(0, at, at + length);
    }
    at += length;
  }
  if (readable === 0 && refusal !== null) await file.read(Buffer.alloc(1), 0, 1, 0);
  return window;
}

/**
 * Where reading goes on after the damaged frame at `offset`. A sound header tells the length of its bad body, and is
 * believed where another sound header, or the end, follows it; so bytes inside a payload that look like a frame are not
 * taken for one. Otherwise the next sound header is looked for, in steps of `stepBytes`. Null: none up to `size`.
 */
export async function findNextFrame(input: {
  file: FileHandle;
  offset: number;
  size: number;
  stepBytes: number;
  read: ReadWindow;
}): Promise<number | null> {
  const { file, offset, size, read } = input;
  const bad = await read(file, offset, frameHeaderBytes);
  const header = bad.length === frameHeaderBytes ? readHeader(bad, 0) : null;
  if (header !== null) {
    const after = offset + header.totalBytes;
    if (after === size) return after;
    const next = after < size ? await read(file, after, frameHeaderBytes) : bad.subarray(0, 0);
    if (next.length === frameHeaderBytes && readHeader(next, 0) !== null) return after;
  }
  for (let from = offset + 1; from + frameHeaderBytes <= size; from += input.stepBytes) {
    const window = await read(file, from, Math.min(input.stepBytes + frameHeaderBytes - 1, size - from));
    const found = findHeader(window, 0);
    if (found !== -1) return from + found;
  }
  return null;
}
