import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { ClickHouseException } from './exception.ts';

/** Largest query text with inline data. Rows of any size belong in the body, with the query in the URL. */
export const longestQueryBytes = 64 * 1024 * 1024;

/** Where bodies of running inserts lie. The engine reads them from there with its own parallel parsers. */
export interface BodyFolder {
  /** Writes a request's body, as sent, into a file of its own (0600). Rejects when the caller breaks off. */
  save(message: IncomingMessage): Promise<SavedBody>;
  /** The same for bytes already in memory. */
  saveBytes(bytes: Uint8Array): Promise<SavedBody>;
}

export interface SavedBody {
  path: string;
  bytes: number;
  remove(): Promise<void>;
}

/** Opens the folder, and removes what a killed process left in it: those inserts were never acknowledged. */
export async function openBodyFolder(path: string): Promise<BodyFolder> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  for (const name of await readdir(path)) if (/^body-\d+$/.test(name)) await rm(join(path, name), { force: true });
  let count = 0;
  const save = async (source: AsyncIterable<Uint8Array> | IncomingMessage): Promise<SavedBody> => {
    const file = join(path, `body-${++count}`);
    const remove = (): Promise<void> => rm(file, { force: true });
    try {
      await pipeline(source, createWriteStream(file, { flags: 'wx', mode: 0o600, highWaterMark: 1024 * 1024 }));
      return { path: file, bytes: (await stat(file)).size, remove };
    } catch (error) {
      await remove();
      throw error;
    }
  };
  return { save, saveBytes: (bytes) => save(oneChunk(bytes)) };
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const decoders = new Map([
  ['gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

/**
 * Reads a body that is query text into memory, decoded. Throws ClickHouseException 191 past `longestQueryBytes`, also
 * where compressed bytes unpack to more, and 48 for an encoding that only INSERT data may have.
 */
export async function readQueryBody(message: IncomingMessage, encoding: string | null): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    length += bytes.length;
    if (length > longestQueryBytes) throw tooLong();
    chunks.push(bytes);
  }
  const whole = Buffer.concat(chunks);
  if (encoding === null || whole.length === 0) return whole;
  const decode = decoders.get(encoding);
  if (decode === undefined)
    throw new ClickHouseException(48, `Encoding ${encoding} is supported for INSERT data alone`);
  try {
    return await decode(whole, { maxOutputLength: longestQueryBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLong();
    throw new ClickHouseException(27, 'The body is not what its Content-Encoding says');
  }
}

function tooLong(): ClickHouseException {
  return new ClickHouseException(
    191,
    `A query may have ${longestQueryBytes} bytes; send rows as the body of an INSERT`,
  );
}
