import { ClickHouseException } from './exception.ts';
import { readTokens, type Token } from './lexer.ts';

/** What the front must know about a query before it runs it. */
export interface Statement {
  kind: 'select' | 'insert' | 'other';
  /** First word, upper case: decides whether a Session may be used again. */
  verb: string;
  /** The FORMAT clause, as written, or null. */
  format: string | null;
  /** Character offset behind the last token of the query, without a closing semicolon. */
  end: number;
  insert: InsertShape | null;
  /** True where the engine cannot stream the answer (totals come in a block of their own). */
  totals: boolean;
}

export interface InsertShape {
  /** `data`: rows follow the statement; `select`: a query feeds it; `open`: neither clause is there yet. */
  source: 'data' | 'select' | 'open';
  /** Offset where `FROM INFILE` belongs: before SETTINGS, FORMAT or VALUES. */
  placement: number;
  /** Text between `placement` and the data that must stay: the SETTINGS clause and FORMAT. */
  tail: string;
  /** Offset of the first byte of inline data; the length of the text where there is none. */
  dataStart: number;
}

/**
 * Reads the outline of one query. Throws ClickHouseException 62 where a second statement follows: the HTTP interface
 * takes one at a time, while chDB alone would run them all.
 */
export function readStatement(sql: string): Statement {
  const outline: Statement = { kind: 'other', verb: '', format: null, end: 0, insert: null, totals: false };
  let depth = 0;
  let ended = false;
  let settled = false;
  let previous: Token | null = null;
  for (const token of readTokens(sql)) {
    if (ended && token.text !== ';') throw new ClickHouseException(62, 'Multi-statements are not allowed');
    if (token.text === ';' && depth === 0) {
      ended = true;
      continue;
    }
    outline.end = token.end;
    if (token.text === '(') depth++;
    if (token.text === ')') depth--;
    if (outline.verb === '' && token.kind === 'word') {
      outline.verb = token.text;
      if (token.text === 'INSERT') return readInsert(sql, token.end);
      outline.kind = token.text === 'SELECT' || token.text === 'WITH' ? 'select' : 'other';
    }
    // A column that is called format is not the clause: nothing but SETTINGS may follow the clause.
    if (outline.format !== null && settled === false) {
      if (token.text !== 'SETTINGS') outline.format = null;
      else settled = true;
    }
    if (depth === 0 && token.kind === 'word' && previous?.kind === 'word') {
      if (previous.text === 'FORMAT') outline.format = sql.slice(token.start, token.end);
      if (previous.text === 'WITH' && token.text === 'TOTALS') outline.totals = true;
    }
    previous = token;
  }
  return outline;
}

function readInsert(sql: string, from: number): Statement {
  const tokens = [...insertTokens(sql, from)];
  const last = tokens.at(-1);
  const clause = (name: string): Token | undefined => tokens.find((token) => token.text === name);
  const settings = clause('SETTINGS');
  const opener = clause('SELECT') ?? clause('WITH') ?? clause('INFILE');
  const base = { kind: 'insert', verb: 'INSERT', totals: false } as const;
  if (opener !== undefined || last === undefined) {
    const shape: InsertShape = { source: 'select', placement: 0, tail: '', dataStart: sql.length };
    return { ...base, format: null, end: lastEnd(sql, from), insert: shape };
  }
  const values = last.text === 'VALUES';
  const format = clause('FORMAT');
  if (!values && (format === undefined || format === last)) {
    const shape: InsertShape = { source: 'open', placement: 0, tail: '', dataStart: sql.length };
    return { ...base, format: null, end: lastEnd(sql, from), insert: shape };
  }
  const clauseStart = format?.start ?? last.start;
  const placement = Math.min(settings?.start ?? clauseStart, clauseStart);
  const tail = values ? `${sql.slice(placement, clauseStart)} FORMAT Values` : sql.slice(placement, last.end);
  const name = values ? 'Values' : sql.slice(last.start, last.end);
  const dataStart = firstData(sql, last.end);
  // Inline VALUES are run by the engine as SQL, so a second statement could hide behind them.
  if (values && dataStart < sql.length) lastEnd(sql, from);
  return { ...base, format: name, end: last.end, insert: { source: 'data', placement, tail, dataStart } };
}

/** Words of an INSERT at depth 0 behind the table's name, up to and with what opens its data or its query. */
function* insertTokens(sql: string, from: number): Generator<Token> {
  let depth = 0;
  let previous: Token | null = null;
  let named = false;
  for (const token of readTokens(sql, from)) {
    if (token.text === '(') depth++;
    if (token.text === ')') depth--;
    if (token.text === '.') named = false;
    else if (!named) named = !['INTO', 'TABLE', 'FUNCTION'].includes(token.text);
    else if (depth === 0 && token.kind === 'word') {
      yield token;
      if (['SELECT', 'WITH', 'INFILE', 'VALUES'].includes(token.text) || previous?.text === 'FORMAT') return;
      previous = token;
    }
  }
}

function lastEnd(sql: string, from: number): number {
  let end = from;
  let ended = false;
  for (const token of readTokens(sql, from)) {
    if (ended) throw new ClickHouseException(62, 'Multi-statements are not allowed');
    ended = token.text === ';';
    if (!ended) end = token.end;
  }
  return end;
}

/** ClickHouse skips white space up to and with one line feed between the format's name and the data. */
function firstData(sql: string, from: number): number {
  const blank = /[ \t\r]*\n?/y;
  blank.lastIndex = from;
  blank.test(sql);
  return Math.min(blank.lastIndex, sql.length);
}
