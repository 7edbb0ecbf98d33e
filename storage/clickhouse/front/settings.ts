import { ClickHouseException } from './exception.ts';
import { quoteText } from './parameters.ts';

/** URL parameters that belong to the HTTP interface and are no settings of the engine. */
const httpOnly = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'user',
  'password',
  'quota_key',
  'compress',
  'decompress',
  'stacktrace',
  'buffer_size',
  'wait_end_of_query',
  'session_timeout',
  'session_check',
  'close_session',
  'enable_http_compression',
  'http_zlib_compression_level',
  'http_response_buffer_size',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_native_compression_disable_checksumming_on_decompress',
  'http_write_exception_in_output_format',
]);

const settingName = /^[A-Za-z_]\w*$/;

/** What a Session starts with; the embedded engine's own defaults differ from a server's in the first three. */
export function baseSettings(input: {
  tag: string;
  maxExecutionSeconds: number;
  queryMemoryBytes: number;
}): ReadonlyMap<string, string> {
  const settings = new Map([
    ['async_insert', '0'],
    ['implicit_select', '0'],
    ['allow_introspection_functions', '0'],
    ['max_execution_time', String(input.maxExecutionSeconds)],
    ['log_comment', input.tag],
  ]);
  if (input.queryMemoryBytes > 0) {
    settings.set('max_memory_usage', String(input.queryMemoryBytes));
    settings.set('max_bytes_before_external_sort', String(Math.floor(input.queryMemoryBytes / 2)));
    settings.set('max_bytes_before_external_group_by', String(Math.floor(input.queryMemoryBytes / 2)));
  }
  return settings;
}

/**
 * Picks the engine settings out of a request's URL parameters. Throws ClickHouseException for what the embedded engine
 * cannot honour, because ignoring it would change what the caller gets: sessions, roles and the native compression.
 */
export function pickSettings(url: ReadonlyMap<string, string>): Map<string, string> {
  const settings = new Map<string, string>();
  for (const [name, value] of url) {
    if (name.startsWith('param_')) continue;
    if (name === 'session_id' || name === 'role') {
      throw new ClickHouseException(48, `Parameter ${name} is not supported by the embedded engine`);
    }
    if ((name === 'decompress' || name === 'compress') && value !== '0' && value !== '') {
      throw new ClickHouseException(
        48,
        `Parameter ${name} is not supported by the embedded engine; use gzip encodings`,
      );
    }
    if (httpOnly.has(name)) continue;
    if (!settingName.test(name))
      throw new ClickHouseException(115, 'Unknown setting: a name has letters, digits and _');
    settings.set(name, value);
  }
  return settings;
}

/** `SET a='1', b='2'`. Values are quoted literals, which the engine converts to the setting's type. */
export function renderSet(settings: ReadonlyMap<string, string>): string {
  return `SET ${[...settings].map(([name, value]) => `${name}=${quoteText(value)}`).join(', ')}`;
}

/** Undoes `renderSet(changed)`: back to what the Session started with, or the engine's default. */
export function renderReset(changed: ReadonlyMap<string, string>, base: ReadonlyMap<string, string>): string {
  const parts = [...changed.keys()].map((name) => {
    const value = base.get(name);
    return value === undefined ? `${name}=DEFAULT` : `${name}=${quoteText(value)}`;
  });
  return `SET ${parts.join(', ')}`;
}
