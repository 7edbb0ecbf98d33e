import type { IncomingMessage } from 'node:http';
import { type BodyFolder, readQueryBody, type SavedBody } from './body.ts';
import type { BufferedAnswer, Engine, EngineSlot } from './engine.ts';
import { ClickHouseException, toException } from './exception.ts';
import { type LaneName, pickLane } from './lanes.ts';
import { quoteText, renderParameters } from './parameters.ts';
import { decodeText, type FrontRequest } from './request.ts';
import { readStatement, type Statement } from './statement.ts';

/** What a query answers with. A stream's first chunk is already there, so that its early errors have a status. */
export type Answer =
  | { kind: 'whole'; answer: BufferedAnswer; written: boolean }
  | { kind: 'stream'; chunks: AsyncIterable<Uint8Array> };

/** Takes the answer; resolves when the caller has it. Streams are delivered while their Session is held, whole answers after. */
export type Deliver = (answer: Answer, format: string) => Promise<void>;

export interface Execution {
  engine: Engine;
  bodies: BodyFolder;
  request: FrontRequest;
  message: IncomingMessage;
  /** Aborts when the caller is gone. */
  left: AbortSignal;
  onLane(lane: LaneName): void;
  deliver: Deliver;
}

/** Formats whose chunks are valid when joined. The engine's stream repeats heads and frames in all others. */
const streamable = new Set(
  [
    'JSONEachRow',
    'JSONCompactEachRow',
    'JSONStringsEachRow',
    'JSONLines',
    'NDJSON',
    'TabSeparated',
    'TSV',
    'TabSeparatedRaw',
  ].concat(['TSVRaw', 'CSV', 'RowBinary']),
);
const readVerbs = new Set(['SELECT', 'WITH', 'SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN', 'EXISTS', 'CHECK', 'FROM']);
const never = new AbortController().signal;

/** Runs one request from its URL and body to the delivered answer. Throws ClickHouseException before any of it is sent. */
export async function execute(run: Execution): Promise<void> {
  const { request, message } = run;
  const urlSql = renderParameters(request.urlQuery, request.parameters);
  const urlStatement = urlSql.trim() === '' ? null : readStatement(urlSql);
  if (urlStatement?.insert?.source === 'data' && urlStatement.insert.dataStart >= urlSql.length) {
    return runInsert(run, { sql: urlSql, statement: urlStatement, body: await run.bodies.save(message) });
  }
  const body = await readQueryBody(message, request.bodyEncoding);
  if (urlStatement?.insert?.source === 'select' && body.length > 0) {
    throw new ClickHouseException(48, 'A body beside INSERT SELECT is not supported by the embedded engine');
  }
  const whole = Buffer.concat([Buffer.from(urlSql), Buffer.from(urlSql === '' || body.length === 0 ? '' : '\n'), body]);
  // Offsets in latin1 text are byte offsets, and inline data need not be UTF-8.
  const outline = readStatement(whole.toString('latin1'));
  if (outline.insert?.source === 'data' && outline.format?.toUpperCase() !== 'VALUES') {
    const head = renderParameters(decodeText(whole.subarray(0, outline.insert.dataStart)), request.parameters);
    const saved = await run.bodies.saveBytes(whole.subarray(outline.insert.dataStart));
    const decoded = { ...run, request: { ...request, bodyEncoding: null } };
    return runInsert(decoded, { sql: head, statement: readStatement(head), body: saved });
  }
  const sql = renderParameters(decodeText(whole), request.parameters);
  return runQuery(run, sql, readStatement(sql));
}

async function runInsert(run: Execution, input: { sql: string; statement: Statement; body: SavedBody }): Promise<void> {
  const { sql, statement, body } = input;
  const { insert } = statement;
  const { request } = run;
  try {
    if (insert === null) throw new ClickHouseException(62, 'An INSERT with data was expected');
    refuseWrite(request, statement);
    const compression = request.bodyEncoding === null ? '' : ` COMPRESSION '${request.bodyEncoding}'`;
    const source = `FROM INFILE ${quoteText(body.path)}${compression}`;
    const full = `${sql.slice(0, insert.placement)} ${source} ${insert.tail}`;
    run.onLane('insert');
    // An insert runs to its end although the caller left: its rows are whole, and a retry is deduplicated.
    const answer = await run.engine.run('insert', { left: run.left, cancel: never }, async (slot) => {
      await slot.prepare(request.settings, request.database);
      return body.bytes === 0 ? nothing : slot.query(full, 'TabSeparated');
    });
    await run.deliver({ kind: 'whole', answer: { ...answer, bytes: nothing.bytes }, written: true }, 'TabSeparated');
  } finally {
    await body.remove();
  }
}

const nothing: BufferedAnswer = { bytes: new Uint8Array(0), rows: 0, bytesRead: 0, elapsedSeconds: 0 };

async function runQuery(run: Execution, sql: string, statement: Statement): Promise<void> {
  const { request } = run;
  if (statement.verb === '') throw new ClickHouseException(62, 'Empty query');
  refuseWrite(request, statement);
  const lane = pickLane(statement, request.settings);
  run.onLane(lane);
  const cancel = statement.kind === 'select' ? run.left : never;
  const format = statement.format ?? request.defaultFormat ?? 'TabSeparated';
  const whole = await run.engine.run(lane, { left: run.left, cancel }, async (slot) => {
    if (changesSession(sql, statement)) slot.taint();
    await slot.prepare(request.settings, request.database);
    const text = sql.slice(0, statement.insert?.source === 'data' ? sql.length : statement.end);
    const answer = await answerOf({ slot, sql: text, format, streams: canStream(request, statement, format) });
    if (answer.kind === 'whole') return answer;
    await run.deliver(answer, format);
    return null;
  });
  if (whole !== null) await run.deliver(whole, format);
}

function canStream(request: FrontRequest, statement: Statement, format: string): boolean {
  const plain = !statement.totals && !request.settings.has('extremes');
  return statement.kind === 'select' && plain && !request.waitEndOfQuery && streamable.has(format);
}

async function answerOf(input: { slot: EngineSlot; sql: string; format: string; streams: boolean }): Promise<Answer> {
  const { slot, sql, format, streams } = input;
  if (streams) {
    const chunks = slot.stream(sql, format);
    try {
      const first = await chunks.next();
      return { kind: 'stream', chunks: first.done ? chunks : chainFirst(first.value, chunks) };
    } catch (error) {
      // Some read-only statements look like a SELECT and cannot be streamed: they are run whole.
      if (!toException(error).message.includes('Streaming query is not supported')) throw error;
    }
  }
  return { kind: 'whole', answer: await slot.query(sql, format), written: false };
}

async function* chainFirst(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

function refuseWrite(request: FrontRequest, statement: Statement): void {
  if (!request.readOnly || readVerbs.has(statement.verb)) return;
  throw new ClickHouseException(164, 'Cannot execute a writing query with method GET: use POST');
}

function changesSession(sql: string, statement: Statement): boolean {
  return ['SET', 'USE'].includes(statement.verb) || (statement.kind === 'other' && /\btemporary\b/i.test(sql));
}
