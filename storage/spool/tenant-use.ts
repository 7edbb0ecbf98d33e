import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Frame } from '../schema/record.ts';

const tenantField = Buffer.from('"tenant":"');
const quote = 0x22;

/** Where the use of a segment that has been left is noted, so that a restart still knows it. */
export function useFileOf(segmentFile: string): string {
  return `${segmentFile}.use`;
}

/**
 * The tenant that a frame belongs to, read from its head; empty for none. Every head is JSON with one field of that name, and
 * inside a JSON text a quote is escaped, so the bytes looked for are that field.
 */
export function tenantOf(frame: Frame): string {
  const at = frame.head.indexOf(tenantField);
  if (at === -1) return '';
  const from = at + tenantField.length;
  const end = frame.head.indexOf(quote, from);
  return end === -1 ? '' : frame.head.toString('latin1', from, end);
}

/** Bytes that each tenant has in the spool: appended, in segments that have not been released. */
export class TenantUse {
  readonly #folder: string;
  readonly #segments = new Map<string, Map<string, number>>();
  readonly #totals = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  bytes(tenant: string): number {
    return this.#totals.get(tenant) ?? 0;
  }

  add(segmentFile: string, tenant: string, bytes: number): void {
    let segment = this.#segments.get(segmentFile);
    if (segment === undefined) {
      segment = new Map();
      this.#segments.set(segmentFile, segment);
    }
    segment.set(tenant, (segment.get(tenant) ?? 0) + bytes);
    this.#totals.set(tenant, (this.#totals.get(tenant) ?? 0) + bytes);
  }

  /** The segment takes no more. Its use is noted beside it; where the disk refuses, a restart counts it for nobody. */
  left(segmentFile: string): void {
    const segment = this.#segments.get(segmentFile);
    if (segment === undefined) return;
    try {
      writeFileSync(join(this.#folder, useFileOf(segmentFile)), JSON.stringify([...segment]), { mode: 0o600 });
    } catch {
      // Only the share of a tenant after a restart depends on it.
    }
  }

  /** Counts what an earlier epoch noted of its segments. What cannot be read counts for nobody. */
  restore(segmentFiles: readonly string[]): void {
    for (const file of segmentFiles) {
      try {
        const noted = JSON.parse(readFileSync(join(this.#folder, useFileOf(file)), 'utf8')) as [string, number][];
        for (const [tenant, bytes] of noted) if (Number.isSafeInteger(bytes)) this.add(file, tenant, bytes);
      } catch {
        // A segment whose writer was killed has no note.
      }
    }
  }

  /** Forgets segments that are not among `files` any more: they have been released. */
  keepOnly(files: ReadonlySet<string>): void {
    for (const [file, segment] of this.#segments) {
      if (files.has(file)) continue;
      this.#segments.delete(file);
      for (const [tenant, bytes] of segment) {
        const left = this.bytes(tenant) - bytes;
        if (left > 0) this.#totals.set(tenant, left);
        else this.#totals.delete(tenant);
      }
    }
  }
}
