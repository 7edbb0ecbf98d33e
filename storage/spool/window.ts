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
 * Where reading goes on after the damaged frame at `offset`. A sound header tells the length of its bad body, and is
 * believed where another sound header, or the end, follows it; so bytes inside a payload that look like a frame are not
 * taken for one. Otherwise the next sound header is looked for, in steps of `stepBytes`. Null: none up to `size`.
 */
export async function findNextFrame(input: {
  file: FileHandle;
  offset: number;
  size: number;
  stepBytes: number;
}): Promise<number | null> {
  const { file, offset, size } = input;
  const bad = await readWindow(file, offset, frameHeaderBytes);
  const header = bad.length === frameHeaderBytes ? readHeader(bad, 0) : null;
  if (header !== null) {
    const after = offset + header.totalBytes;
    if (after === size) return after;
    const next = after < size ? await readWindow(file, after, frameHeaderBytes) : bad.subarray(0, 0);
    if (next.length === frameHeaderBytes && readHeader(next, 0) !== null) return after;
  }
  for (let from = offset + 1; from + frameHeaderBytes <= size; from += input.stepBytes) {
    const window = await readWindow(file, from, Math.min(input.stepBytes + frameHeaderBytes - 1, size - from));
    const found = findHeader(window, 0);
    if (found !== -1) return from + found;
  }
  return null;
}
