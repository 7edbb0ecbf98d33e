import { ClickHouseException } from './exception.ts';
import { readTokens } from './lexer.ts';

/** Values of `param_<name>`, as the exact bytes that stood in the URL after percent-decoding. */
export type ParameterValues = ReadonlyMap<string, Uint8Array>;

const placeholder = /^\{\s*([A-Za-z_]\w*)\s*:([\s\S]*)\}$/;
const escapes = new Map(Object.entries({ b: 8, f: 12, r: 13, n: 10, t: 9, 0: 0, a: 7, v: 11, e: 27 }));
const backslash = 0x5c;
/** Text forms whose elements carry their own quotes: the engine parses these whole, without TSV escapes around them. */
const composite = /^(Array|Tuple|Nested)\s*\(/i;

/**
 * Replaces every `{name:Type}` placeholder by a typed literal, so that no value ever reaches the engine as SQL.
 *
 * chDB runs queries with bound parameters one at a time in the whole process; rendering them here lets Sessions work side
 * by side. Values are TSV-escaped, as ClickHouse's HTTP interface defines. A literal is pure ASCII: each byte that is not
 * a plain character is written `\xHH`, so that any bytes, valid UTF-8 or not, arrive as they were sent. A placeholder
 * without a value is left for the engine to report. Throws ClickHouseException 48 for Map parameters, which CAST cannot read.
 */
export function renderParameters(sql: string, values: ParameterValues): string {
  if (!sql.includes('{')) return sql;
  let out = '';
  let copied = 0;
  for (const token of readTokens(sql)) {
    if (token.kind !== 'parameter') continue;
    const match = placeholder.exec(token.text);
    const value = match?.[1] === undefined ? undefined : values.get(match[1]);
    if (match?.[2] === undefined || value === undefined) continue;
    out += sql.slice(copied, token.start) + renderValue(match[2].trim(), value);
    copied = token.end;
  }
  return out + sql.slice(copied);
}

function renderValue(type: string, value: Uint8Array): string {
  if (type === 'Identifier') return `\`${escapeBytes(unescapeTsv(value))}\``;
  const nullable = unwrap(type, 'Nullable');
  if (nullable !== null && isNullMark(value)) return `_CAST(NULL, ${quoteText(type)})`;
  const inner = unwrap(nullable ?? type, 'LowCardinality') ?? nullable ?? type;
  if (/^Map\s*\(/i.test(inner)) {
    throw new ClickHouseException(
      48,
      `Parameters of type ${inner} are not supported by the embedded engine; use arrays`,
    );
  }
  const text = composite.test(inner) ? value : unescapeTsv(value);
  const literal = `'${escapeBytes(text)}'`;
  return type === 'String' ? literal : `_CAST(${literal}, ${quoteText(type)})`;
}

function unwrap(type: string, wrapper: string): string | null {
  const match = new RegExp(`^${wrapper}\\s*\\(([\\s\\S]*)\\)$`, 'i').exec(type);
  return match?.[1]?.trim() ?? null;
}

function isNullMark(value: Uint8Array): boolean {
  return value.length === 2 && value[0] === backslash && value[1] === 0x4e;
}

/**
 * Undoes TSV escaping the way ClickHouse reads it: the named escapes, `\xHH`, and a backslash before any other byte
 * stands for that byte. Unescaped tabs and line feeds are kept. Never throws.
 */
export function unescapeTsv(value: Uint8Array): Uint8Array {
  if (!value.includes(backslash)) return value;
  const out = Buffer.allocUnsafe(value.length);
  let length = 0;
  for (let at = 0; at < value.length; at++) {
    const byte = value[at] ?? 0;
    const next = value[at + 1];
    if (byte !== backslash || next === undefined) {
      out[length++] = byte;
      continue;
    }
    at++;
    const hex = next === 0x78 ? Buffer.from(value.subarray(at + 1, at + 3)).toString('latin1') : '';
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      out[length++] = Number.parseInt(hex, 16);
      at += 2;
    } else out[length++] = escapes.get(String.fromCharCode(next)) ?? next;
  }
  return out.subarray(0, length);
}

/** A string literal of ASCII text alone, safe inside any SQL. The text is UTF-8 encoded first. */
export function quoteText(text: string): string {
  return `'${escapeBytes(Buffer.from(text, 'utf8'))}'`;
}

function escapeBytes(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== backslash && byte !== 0x60 && byte !== 0x22;
    out += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return out;
}
