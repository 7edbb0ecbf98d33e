import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { buildBundledPrices } from '../../policy/pricing/bundled.ts';
import { compilePrices, computeCost, findPrice, hidesOutput } from '../../policy/pricing/index.ts';
import type { ModelPrice } from '../../storage/schema/snapshot.ts';
import type { AnswerFacts, Dialect, StreamReader } from './dialect.ts';
import { recognizeDialect } from './index.ts';
import { editTexts } from './json-edits.ts';
import { isObject, type JsonObject, readList } from './json-fields.ts';

/** One recorded exchange; see the corpus' own README. */
interface Row {
  id: string;
  provider: string;
  dialect: string;
  method: string;
  path: string;
  request_body: string;
  request_body_encoding: 'utf8' | 'base64';
  status: number;
  response_headers: Record<string, string>;
  response_body: string;
  response_body_encoding: 'utf8' | 'base64';
  expected: {
    stream: string | null;
    model: string | null;
    usage: Record<string, number | null> | null;
    output_text: string | null;
  };
}

/**
 * Rows whose label we disagree with, and why ours is right: Gemini's total_tokens holds thinking tokens that are billed as
 * output and missing in completion_tokens; the normalisation says that output includes reasoning.
 */
const disagreed = new Set(['3b288e85139cbe31', '450f9275cd9c418a']);
/** The labels tell no audio, no images and no hour for which a cache is kept. */
const unlabelled = /_(?:audio|image|1h)_tokens$/;
const covered = new Set(['openai-chat', 'anthropic-messages']);
const folder = process.env.HOC_CORPUS;

function loadRows(): Row[] {
  const files = ['exchanges.jsonl', 'bulk.jsonl.gz'].map((name) => readFileSync(join(folder ?? '', name)));
  const texts = files.map((bytes) => (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('utf8'));
  const rows = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
  return rows.map((line) => JSON.parse(line) as Row).filter((row) => covered.has(row.dialect));
}

let loaded: Row[] | null = null;

/** All rows, decompressed once. */
function readRows(): Row[] {
  loaded ??= loadRows();
  return loaded;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function open(row: Row) {
  const [path = ''] = row.path.split('?');
  const route = { method: row.method, path };
  return recognizeDialect({ route, body: parse(row.request_body), allowed: 'auto' });
}

function answerOf(row: Row): { bytes: Buffer; type: string | null } {
  return {
    bytes: Buffer.from(row.response_body, row.response_body_encoding),
    type: row.response_headers['content-type'] ?? null,
  };
}

function pushAll(reader: StreamReader, bytes: Buffer, size: number): AnswerFacts {
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  return reader.end();
}

const skip = folder === undefined ? 'HOC_CORPUS names no folder' : false;

t.test(
  'recorded exchanges: dialect, model and usage are those of the labels, in every chunking',
  { skip },
  async (t) => {
    let compared = 0;
    for (const row of readRows()) {
      const dialect = open(row);
      if (dialect.id !== row.dialect) t.fail(`${row.id} is ${dialect.id}`);
      const { bytes, type } = answerOf(row);
      const small = bytes.length < 12_000 ? [1] : [];
      const sizes = row.expected.stream === null ? [bytes.length] : [...small, 7, 37, bytes.length];
      for (const size of sizes) {
        const facts =
          row.expected.stream === null
            ? dialect.readAnswer(bytes, type)
            : pushAll(dialect.openStream(type), bytes, Math.max(1, size));
        const labels: Record<string, number | null> = row.expected.usage ?? {};
        const differing = Object.entries(facts.usage).filter(
          ([name, figure]) => !unlabelled.test(name) && (labels[name] ?? null) !== figure,
        );
        if (differing.length > 0 && !disagreed.has(row.id))
          t.fail(`${row.id} at ${size}: ${JSON.stringify(differing)}`);
        if (row.status < 300 && facts.model !== row.expected.model) t.fail(`${row.id} model ${facts.model}`);
        compared++;
      }
    }
    t.ok(compared > 1500, `${compared} readings agree, ${disagreed.size} rows are excepted`);
  },
);

t.test('recorded streams: every prefix is read without an error', { skip }, async (t) => {
  let prefixes = 0;
  for (const row of readRows()) {
    const { bytes, type } = answerOf(row);
    if (row.expected.stream === null || bytes.length > 12_000) continue;
    const dialect = open(row);
    const whole = pushAll(dialect.openStream(type), bytes, bytes.length);
    for (let length = 0; length <= bytes.length; length += 23) {
      const facts = pushAll(dialect.openStream(type), bytes.subarray(0, length), bytes.length);
      if (facts.outputCharacters > whole.outputCharacters)
        t.fail(`${row.id} at ${length} has more text than the whole`);
      prefixes++;
    }
  }
  t.ok(prefixes > 1000, `${prefixes} prefixes`);
});

const prices = compilePrices(buildBundledPrices());
const listOf: Readonly<Record<string, string>> = { gemini: 'google', zai: 'zai' };

function priceOf(row: Row, dialect: Dialect, model: string | null): ModelPrice | null {
  const lists = [listOf[row.provider] ?? row.provider, dialect.vendor ?? 'openai', 'anthropic', 'openrouter'];
  for (const list of lists) {
    const price = model === null ? null : findPrice(prices, { list, model, atMs: Date.parse('2026-11-01') });
    if (price !== null) return price;
  }
  return null;
}

function factsOf(row: Row, dialect: Dialect) {
  const [path = ''] = row.path.split('?');
  const bytes = Buffer.from(row.request_body, row.request_body_encoding);
  return dialect.readRequest({ route: { method: row.method, path }, body: parse(row.request_body), bytes });
}

/**
 * Whole answers that tell more output than they show and that nothing in the request or the price announces. None of a
 * stream. An answer that Azure's filter took out; one that was written by hand.
 */
const unannounced = new Set(['3f245723ec9c3621', 'e4fd271d39b60f7c']);

t.test(
  'no exchange reports more output than it shows, unless its request or its price says that some may be hidden',
  { skip },
  async (t) => {
    let streams = 0;
    let hidden = 0;
    for (const row of readRows()) {
      const dialect = open(row);
      const { bytes, type } = answerOf(row);
      if (row.status >= 300) continue;
      const streamed = row.expected.stream !== null;
      const answer = streamed
        ? pushAll(dialect.openStream(type), bytes, bytes.length)
        : dialect.readAnswer(bytes, type);
      if (answer.usage.output_tokens === null) continue;
      if (streamed) streams++;
      if (answer.usage.output_tokens <= answer.outputBoundTokens) continue;
      hidden++;
      const request = factsOf(row, dialect);
      const price = priceOf(row, dialect, request.model) ?? priceOf(row, dialect, answer.model);
      const known = price === null ? hidesOutput(row.provider, request.model ?? '') : price.hidden_output;
      if (request.hiddenOutput || known === true) continue;
      if (streamed || !unannounced.has(row.id)) {
        t.fail(
          `${row.id} ${row.provider} ${request.model}: ${answer.usage.output_tokens} of ${answer.outputBoundTokens}`,
        );
      }
    }
    t.ok(streams > 150 && hidden > 20, `${streams} streams, ${hidden} exchanges with hidden output`);
  },
);

const sse = (events: readonly unknown[]) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');

/** The events with which the provider would have streamed a whole answer. */
function asStream(dialect: Dialect, answer: JsonObject): string {
  const { usage, choices, content, ...head } = answer;
  if (dialect.id === 'openai-chat') {
    const chunks = readList(choices).map((choice) => {
      const { message, ...rest } = isObject(choice) ? choice : {};
      return { ...head, choices: [{ ...rest, delta: message }] };
    });
    return `${sse([...chunks, ...(usage === undefined ? [] : [{ ...head, choices: [], usage }])])}data: [DONE]\n\n`;
  }
  const first = isObject(usage) ? { usage: { ...usage, output_tokens: Math.min(1, Number(usage.output_tokens)) } } : {};
  const blocks = readList(content).map((block) => ({ type: 'content_block_start', content_block: block }));
  const last = { type: 'message_delta', delta: { stop_reason: answer.stop_reason }, usage };
  return sse([{ type: 'message_start', message: { ...head, ...first } }, ...blocks, last, { type: 'message_stop' }]);
}

/** The whole answer with the usage that a stream told last. */
function asWhole(dialect: Dialect, stream: string): JsonObject {
  const events = stream.split(/\r?\n/).flatMap((line) => (line.startsWith('data:') ? [parse(line.slice(5))] : []));
  const objects = events.filter(isObject);
  if (dialect.id === 'anthropic-messages') {
    const start = objects.find((event) => event.type === 'message_start')?.message;
    const usages = objects.flatMap((event) => (isObject(event.usage) ? [event.usage] : []));
    const message = isObject(start) ? start : {};
    return { ...message, usage: Object.assign({}, message.usage, ...usages) };
  }
  const told = objects.findLast(
    (chunk) => isObject(chunk.usage) || (isObject(chunk.x_groq) && isObject(chunk.x_groq.usage)),
  );
  const choice = objects
    .flatMap((chunk) => readList(chunk.choices))
    .find((one) => isObject(one) && isObject(one.usage));
  return { model: objects[0]?.model, choices: choice === undefined ? [] : [choice], ...told };
}

t.test('the same exchange has the same usage and costs the same, streamed and whole', { skip }, async (t) => {
  let priced = 0;
  for (const row of readRows()) {
    const dialect = open(row);
    const { bytes, type } = answerOf(row);
    if (row.status >= 300) continue;
    const text = bytes.toString();
    const answer = row.expected.stream === null ? parse(text) : asWhole(dialect, text);
    if (!isObject(answer)) continue;
    const stream = row.expected.stream === null ? asStream(dialect, answer) : text;
    const streamed = pushAll(dialect.openStream('text/event-stream'), Buffer.from(stream), 4096);
    const whole = dialect.readAnswer(Buffer.from(JSON.stringify(answer)), 'application/json');
    const price = priceOf(row, dialect, whole.model);
    const costs = [streamed, whole].map((facts) => (price === null ? null : computeCost(price, facts.usage)));
    if (costs[0] !== null) priced++;
    if (costs[0] !== costs[1]) t.fail(`${row.id} costs ${costs[0]} streamed, ${costs[1]} whole`);
    if (JSON.stringify(streamed.usage) !== JSON.stringify(whole.usage) || streamed.usageFlaw !== whole.usageFlaw) {
      t.fail(
        `${row.id} ${type}: ${JSON.stringify([streamed.usage, whole.usage, streamed.usageFlaw, whole.usageFlaw])}`,
      );
    }
  }
  t.ok(priced > 1000, `${priced} priced exchanges`);
});

/** Texts of an answer or a history that no reading may miss, found without any of the code under test. */
function findPlainTexts(list: unknown): string[] {
  return readList(list).flatMap((one) => {
    const message = isObject(one) && isObject(one.message) ? one.message : one;
    if (!isObject(message)) return [];
    const calls = readList(message.tool_calls).map((call) => (isObject(call) ? call.function : null));
    const written = calls.map((call) => (isObject(call) ? call.arguments : null));
    const parts = Array.isArray(message.content) ? message.content : [message];
    const said = parts.flatMap((part) => (isObject(part) ? [part.text, part.thinking] : [part]));
    const whole = [message.content, message.refusal, message.reasoning, message.reasoning_content];
    return [...said, ...whole, ...written].filter((text) => typeof text === 'string' && text !== '') as string[];
  });
}

interface Body {
  row: Row;
  dialect: Dialect;
  bytes: Buffer;
  isRequest: boolean;
}

/** What is wrong with the texts found in a body, or how many there are. */
function judgeTexts({ row, dialect, bytes, isRequest }: Body): number | string {
  const read = isRequest ? dialect.readRequestTexts : dialect.readAnswerTexts;
  const body = parse(bytes.toString());
  if (!isObject(body)) return 0;
  const spots = read?.(bytes, body)?.spots;
  if (spots === undefined) return 'has no reader';
  const texts = spots.map(({ text }) => text);
  const literals = spots.map(({ start, end }) => JSON.parse(bytes.subarray(start, end).toString()));
  if (JSON.stringify(literals) !== JSON.stringify(texts)) return 'reads other texts';
  const list = isRequest ? 'messages' : row.dialect === 'openai-chat' ? 'choices' : 'content';
  if (findPlainTexts(body[list]).some((text) => !texts.includes(text))) return 'misses a text';
  if (editTexts(bytes, spots) !== bytes) return 'is changed by its own texts';
  const edited = Buffer.from(
    editTexts(
      bytes,
      spots.map((spot, index) => ({ ...spot, text: `${index}` })),
    ),
  );
  const again = read?.(edited, parse(edited.toString()))?.spots ?? [];
  if (again.length !== spots.length || again.some(({ text }, index) => text !== `${index}`))
    return 'breaks by a change';
  return spots.length;
}

t.test(
  'recorded bodies: each text is found, is what its bytes parse to, and can be replaced alone',
  { skip },
  async (t) => {
    let texts = 0;
    for (const row of readRows()) {
      const dialect = open(row);
      const request = Buffer.from(row.request_body, row.request_body_encoding);
      for (const isRequest of [true, false]) {
        const found = judgeTexts({ row, dialect, bytes: isRequest ? request : answerOf(row).bytes, isRequest });
        if (typeof found === 'string') t.fail(`${row.id} ${isRequest ? 'request' : 'answer'} ${found}`);
        else texts += found;
      }
    }
    t.ok(texts > 4000, `${texts} texts`);
  },
);

/** What a reader keeps of a recorded stream that comes in pieces of `size` bytes. */
function keepText(row: Row, size: number) {
  const { bytes, type } = answerOf(row);
  const reader = open(row).openStream(type, { keepText: true });
  const entries = [];
  for (let at = 0; at < bytes.length; at += size) {
    reader.push(bytes.subarray(at, at + size));
    entries.push(...reader.takeText());
  }
  reader.end();
  entries.push(...reader.takeText());
  return { entries, tools: reader.toolsCalled(), incomplete: reader.textIncomplete() };
}

t.test('recorded streams: the text kept is that of the labels, and the same in every chunking', { skip }, async (t) => {
  let labelled = 0;
  let chunkings = 0;
  for (const row of readRows()) {
    if (row.expected.stream === null) continue;
    const bytes = answerOf(row).bytes;
    const whole = keepText(row, Math.max(1, bytes.length));
    const label = row.expected.output_text ?? '';
    // The labels join text blocks that others stand between.
    const blocks = bytes.toString().match(/"content_block": ?\{"type": ?"text"/g) ?? [];
    const isOneText = row.dialect === 'openai-chat' || blocks.length === 1;
    if (isOneText && !whole.incomplete && label !== '') {
      labelled++;
      const text = whole.entries.map((entry) => entry.text).join('');
      if (!text.includes(label)) t.fail(`${row.id} lacks ${label.slice(0, 40)}`);
    }
    if (whole.incomplete && !/"n": ?2/.test(row.request_body)) t.fail(`${row.id} is not complete`);
    for (const size of [...(bytes.length < 12_000 ? [1] : []), 7, 37, 4096]) {
      chunkings++;
      if (JSON.stringify(keepText(row, size)) !== JSON.stringify(whole)) t.fail(`${row.id} at ${size}`);
    }
  }
  t.ok(labelled > 150 && chunkings > 900, `${labelled} labels, ${chunkings} chunkings`);
});

t.test('the same answer has the same tools, streamed and whole, and a chat the same texts', { skip }, async (t) => {
  let compared = 0;
  for (const row of readRows()) {
    const dialect = open(row);
    const { bytes } = answerOf(row);
    const answer = parse(bytes.toString());
    if (row.status >= 300 || row.expected.stream !== null || !isObject(answer)) continue;
    const told = dialect.readAnswerTexts?.(bytes, answer) ?? null;
    const reader = dialect.openStream('text/event-stream', { keepText: true });
    reader.push(Buffer.from(asStream(dialect, answer)));
    const text = reader
      .takeText()
      .map((entry) => entry.text)
      .join('');
    if (JSON.stringify(reader.toolsCalled()) !== JSON.stringify(told?.tools)) t.fail(`${row.id} calls other tools`);
    if (reader.textIncomplete()) t.fail(`${row.id} is not complete`);
    if (dialect.id === 'openai-chat') {
      if (findPlainTexts(answer.choices).some((own) => !text.includes(own))) t.fail(`${row.id} misses a text`);
    }
    compared++;
  }
  t.ok(compared > 900, `${compared} answers`);
});
