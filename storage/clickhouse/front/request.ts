import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ClickHouseException } from './exception.ts';
import type { ParameterValues } from './parameters.ts';
import { pickSettings } from './settings.ts';

/** One request to `/`, its URL taken apart. */
export interface FrontRequest {
  queryId: string;
  /** Query text of the URL; the body holds all of it, or data, or its rest. */
  urlQuery: string;
  parameters: ParameterValues;
  settings: Map<string, string>;
  database: string | null;
  defaultFormat: string | null;
  /** The caller wants the whole answer before its head, so that a late error still has its own status. */
  waitEndOfQuery: boolean;
  /** Codec for the answer, or null. */
  compress: 'gzip' | 'deflate' | null;
  /** Content-Encoding of the request's body, or null. */
  bodyEncoding: string | null;
  readOnly: boolean;
}

const knownEncodings = new Set(['gzip', 'deflate', 'br', 'zstd', 'lz4', 'xz', 'bz2']);

/**
 * Reads a request's URL and headers. Values of `param_x` stay bytes, because they may hold any; everything else must be
 * UTF-8. Throws ClickHouseException where the request cannot be honoured.
 */
export function readRequest(message: IncomingMessage): FrontRequest {
  const { url, parameters } = splitUrl(message.url ?? '/');
  if (message.headers['content-type']?.startsWith('multipart/form-data')) {
    throw new ClickHouseException(48, 'Multipart requests are not supported by the embedded engine');
  }
  const encoding = message.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && !knownEncodings.has(encoding)) {
    throw new ClickHouseException(48, 'This Content-Encoding is not supported by the embedded engine');
  }
  return {
    queryId: url.get('query_id') || randomUUID(),
    urlQuery: url.get('query') ?? '',
    parameters,
    settings: pickSettings(url),
    database: url.get('database') || header(message, 'x-clickhouse-database'),
    defaultFormat: url.get('default_format') || header(message, 'x-clickhouse-format'),
    waitEndOfQuery: isOn(url.get('wait_end_of_query')),
    compress: isOn(url.get('enable_http_compression')) ? acceptedCodec(message) : null,
    bodyEncoding: encoding === 'identity' ? null : encoding,
    readOnly: message.method === 'GET' || message.method === 'HEAD',
  };
}

function isOn(value: string | undefined): boolean {
  return value === '1' || value === 'true';
}

function header(message: IncomingMessage, name: string): string | null {
  const value = message.headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

function acceptedCodec(message: IncomingMessage): 'gzip' | 'deflate' | null {
  const accepted = String(message.headers['accept-encoding'] ?? '');
  if (/\bgzip\b/.test(accepted)) return 'gzip';
  return /\bdeflate\b/.test(accepted) ? 'deflate' : null;
}

function splitUrl(target: string): { url: Map<string, string>; parameters: Map<string, Uint8Array> } {
  const url = new Map<string, string>();
  const parameters = new Map<string, Uint8Array>();
  const mark = target.indexOf('?');
  for (const pair of mark < 0 ? [] : target.slice(mark + 1).split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeText(decodePercent(equals < 0 ? pair : pair.slice(0, equals)));
    const value = decodePercent(equals < 0 ? '' : pair.slice(equals + 1));
    if (name.startsWith('param_')) parameters.set(name.slice('param_'.length), value);
    else url.set(name, decodeText(value));
  }
  return { url, parameters };
}

/** Decodes form encoding to bytes: `+` is a space, `%HH` a byte, a stray `%` stands for itself. Never throws. */
export function decodePercent(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    const hex = byte === 0x25 ? bytes.toString('latin1', at + 1, at + 3) : '';
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes[length++] = Number.parseInt(hex, 16);
      at += 2;
    } else bytes[length++] = byte === 0x2b ? 0x20 : byte;
  }
  return bytes.subarray(0, length);
}

/** Text of UTF-8 bytes. Throws ClickHouseException 62 for any other bytes: a query passes through as text. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ClickHouseException(62, `A query must be valid UTF-8 (${cause instanceof Error ? cause.name : 'error'})`);
  }
}
