/** A piece of SQL text. `parameter` is a `{name:Type}` placeholder; comments and white space are never tokens. */
export interface Token {
  kind: 'word' | 'string' | 'quoted' | 'parameter' | 'symbol';
  start: number;
  end: number;
  /** Upper case for words; the raw text for everything else. */
  text: string;
}

const space = /[\s\0]/;
const wordStart = /[A-Za-z_\u0080-\uffff]/;
const wordEnd = /[^\w$\u0080-\uffff]/g;
const numberEnd = /[^\w.]/g;
const parameterHead = /\{\s*[A-Za-z_]\w*\s*:/y;
const heredocTag = /\$\w*\$/y;

/**
 * Cuts SQL into tokens lazily, the way ClickHouse's lexer does where it matters here: strings with backslash and doubled
 * quotes, back-quoted and double-quoted names, `--`, `#` and block comments, heredocs, and parameters.
 *
 * Lazy because what follows `FORMAT x` in an INSERT is data, not SQL, and must never be read as tokens. Never throws: an
 * unterminated string or comment ends at the end of the text, and the engine then reports the syntax error.
 */
export function* readTokens(sql: string, from = 0): Generator<Token> {
  let at = from;
  while (at < sql.length) {
    const next = skipBlank(sql, at);
    if (next >= sql.length) return;
    const token = readToken(sql, next);
    yield token;
    at = token.end;
  }
}

function readToken(sql: string, start: number): Token {
  const first = sql.charAt(start);
  if (first === "'") return make('string', sql, { start, end: endOfQuoted(sql, start, first) });
  if (first === '`' || first === '"') return make('quoted', sql, { start, end: endOfQuoted(sql, start, first) });
  if (first === '$') return readHeredoc(sql, start);
  if (first === '{') return readParameter(sql, start);
  if (wordStart.test(first)) {
    const end = endOf(wordEnd, sql, start);
    return { kind: 'word', start, end, text: sql.slice(start, end).toUpperCase() };
  }
  if (first >= '0' && first <= '9') return make('symbol', sql, { start, end: endOf(numberEnd, sql, start) });
  return make('symbol', sql, { start, end: start + 1 });
}

function make(kind: Token['kind'], sql: string, { start, end }: { start: number; end: number }): Token {
  return { kind, start, end, text: sql.slice(start, end) };
}

function endOf(stop: RegExp, sql: string, start: number): number {
  stop.lastIndex = start + 1;
  return stop.exec(sql)?.index ?? sql.length;
}

function skipBlank(sql: string, from: number): number {
  let at = from;
  while (at < sql.length) {
    if (space.test(sql.charAt(at))) at++;
    else if (sql.startsWith('--', at) || sql.startsWith('# ', at) || sql.startsWith('#!', at))
      at = after(sql, '\n', at);
    else if (sql.startsWith('/*', at)) at = after(sql, '*/', at + 2);
    else return at;
  }
  return sql.length;
}

function after(sql: string, what: string, from: number): number {
  const found = sql.indexOf(what, from);
  return found < 0 ? sql.length : found + what.length;
}

function endOfQuoted(sql: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < sql.length) {
    const char = sql.charAt(at);
    if (char === '\\') at += 2;
    else if (char !== quote) at++;
    else if (sql.charAt(at + 1) === quote) at += 2;
    else return at + 1;
  }
  return sql.length;
}

function readHeredoc(sql: string, start: number): Token {
  heredocTag.lastIndex = start;
  const tag = heredocTag.exec(sql)?.[0];
  const close = tag === undefined ? -1 : sql.indexOf(tag, start + tag.length);
  if (tag === undefined || close < 0) return make('symbol', sql, { start, end: start + 1 });
  return make('string', sql, { start, end: close + tag.length });
}

function readParameter(sql: string, start: number): Token {
  parameterHead.lastIndex = start;
  if (!parameterHead.test(sql)) return make('symbol', sql, { start, end: start + 1 });
  let at = parameterHead.lastIndex;
  while (at < sql.length) {
    const char = sql.charAt(at);
    if (char === '}') return make('parameter', sql, { start, end: at + 1 });
    at = char === "'" || char === '`' || char === '"' ? endOfQuoted(sql, at, char) : at + 1;
  }
  return make('symbol', sql, { start, end: start + 1 });
}
