import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HocError } from '../schema/errors.ts';

/**
 * A spool is two series of segment files: `seg` holds records and small payloads in the order in which they were appended;
 * `big` holds large payloads, so that whoever needs the records alone reads little.
 */
export const seriesNames = ['seg', 'big'] as const;
export type Series = (typeof seriesNames)[number];

/** A place in a series. Epochs and segments count from 1; `offset` is in bytes. */
export interface SpoolPosition {
  epoch: number;
  segment: number;
  offset: number;
}

export interface SegmentName {
  series: Series;
  epoch: number;
  segment: number;
}

/** `<epoch>-<segment>.<series>`, both numbers with 8 digits at least. */
export function formatSegmentName(name: SegmentName): string {
  return `${String(name.epoch).padStart(8, '0')}-${String(name.segment).padStart(8, '0')}.${name.series}`;
}

/** The parts of a segment's file name, or null for any other file. */
export function parseSegmentName(file: string): SegmentName | null {
  const match = /^(\d{8,10})-(\d{8,10})\.(seg|big)$/.exec(file);
  if (match === null) return null;
  return { epoch: Number(match[1]), segment: Number(match[2]), series: match[3] === 'big' ? 'big' : 'seg' };
}

/** Negative where `a` stands before `b`, by epoch and then segment; offsets are not compared. */
export function compareSegments(a: { epoch: number; segment: number }, b: { epoch: number; segment: number }): number {
  return a.epoch - b.epoch || a.segment - b.segment;
}

/** All segments in the folder, oldest first. A missing folder holds none. */
export async function listSegments(folder: string): Promise<SegmentName[]> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return files
    .map(parseSegmentName)
    .filter((name) => name !== null)
    .sort(compareSegments);
}

/** The folder of one proxy's spool below `dir`. Throws `input_invalid` for an id that is no plain file name. */
export function spoolFolder(dir: string, proxyId: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(proxyId)) {
    throw new HocError({
      code: 'input_invalid',
      publicMessage:
        'A proxy id takes 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit.',
    });
  }
  return join(dir, proxyId);
}
