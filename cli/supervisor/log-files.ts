import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const rotateAtBytes = 10 * 1024 * 1024;
const tailBytes = 16 * 1024;
const tailLines = 8;
const lineLength = 400;

/** Moves every log of `folder` above 10 MiB to `<name>.1`, replacing the one before. Call it while no child writes. */
export function rotateLogs(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (name.endsWith('.log') && statSync(path).size > rotateAtBytes) renameSync(path, `${path}.1`);
  }
}

/** Size of a log in bytes; 0 when there is none. */
export function logSize(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/**
 * The last lines a child wrote since byte `from`, for a person: JSON log lines are reduced to their message and error,
 * control characters are shown as escapes.
 */
export function tailLog(path: string, from: number): string {
  if (!existsSync(path)) return '  (no log)';
  const descriptor = openSync(path, 'r');
  try {
    const size = fstatSync(descriptor).size;
    const start = Math.max(from, size - tailBytes, 0);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    readSync(descriptor, bytes, 0, bytes.length, start);
    const lines = bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (lines.length === 0) return '  (it wrote nothing)';
    return lines
      .slice(-tailLines)
      .map((line) => `  ${shortenLine(line)}`)
      .join('\n');
  } finally {
    closeSync(descriptor);
  }
}

function shortenLine(line: string): string {
  const text = readJsonLine(line) ?? line;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a log must not steer the terminal it is shown on.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, lineLength);
}

function readJsonLine(line: string): string | null {
  if (!line.startsWith('{')) return null;
  try {
    const entry = JSON.parse(line) as { msg?: unknown; err?: { message?: unknown; stack?: unknown } };
    const parts = [entry.msg, entry.err?.message].filter((part) => typeof part === 'string');
    return parts.length === 0 ? null : [...new Set(parts)].join(': ');
  } catch {
    // Not JSON after all: shown as it is.
    return null;
  }
}
