import { Agent, request } from 'node:http';
import { createGunzip, gzipSync } from 'node:zlib';
import t from 'tap';
import { inspectTexts } from '../../policy/detectors/index.ts';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { createRandom, type Random } from '../../test/faults/random.ts';
import { anthropicMessages } from '../dialects/anthropic-messages/index.ts';
import { openaiChat } from '../dialects/openai-chat/index.ts';
import { scriptUpstream } from './test-scripted-upstream.ts';
import { drawStream, type SplitStream, wanted } from './test-split-streams.ts';
import { chatEnd, chatEvent, openWorld, type World } from './test-world.ts';

const isProof = process.env.HOC_PROOF_ROUNDS !== undefined;
const rounds = Number(process.env.HOC_PROOF_ROUNDS ?? 30);
const seed = Number(process.env.HOC_PROOF_SEED ?? Math.floor(Math.random() * 2 ** 31));
if (isProof) t.setTimeout(0);

const upstream = scriptUpstream();
const agent = new Agent({ keepAlive: true });
let world: World;
/** Texts that were looked through on another thread: verdicts on them come late. */
let handedOver = 0;
t.before(async () => {
  // Every instant is the same, so that equal decisions have equal digests.
  world = await openWorld({
    nowMs: () => 1_763_800_000_000,
    upstream: upstream.port,
    inspect: async (_, job) => {
      await new Promise((resolve) => setImmediate(resolve));
      handedOver += 1;
      return inspectTexts(job);
    },
  });
});
t.teardown(async () => {
  agent.destroy();
  await world.close();
});

/** What a caller got of one run, and what is on record of it. */
interface Outcome {
  status: number;
  /** Whether the connection broke instead of ending. */
  broke: boolean;
  bytes: Buffer;
  /** Of the record, what must be the same however the stream was split. */
  record: object;
  verdict: string;
  decidedBy: string | null;
}

async function play(stream: SplitStream, pieces: readonly Buffer[], pauses: boolean): Promise<Outcome> {
  const headers = ['Content-Type', 'text/event-stream', ...(stream.gzip ? ['Content-Encoding', 'gzip'] : [])];
  upstream.play({ head: { status: 200, statusText: 'OK', headers }, pieces, pauses });
  let answer: Raw = { status: 0, broke: true, bytes: Buffer.alloc(0) };
  const finish = await world.endDuring(async () => {
    answer = await ask(stream);
  });
  const { status, verdict, decided_by: decidedBy, reason, refusal_code, decision_digest } = finish;
  const phases = (finish.decisions ?? []).map(({ context: _, ...rest }) => rest);
  const contexts = (finish.open.decisions ?? []).map(({ context, decision }) => ({ context, decision }));
  const passed = status === 'truncated' ? {} : { usage: finish.usage, cost: finish.cost_nano_usd };
  return {
    ...{ status: answer.status, broke: answer.broke, verdict, decidedBy },
    bytes: Buffer.from(answer.bytes.toString('latin1').replaceAll(finish.run_id, 'ID'), 'latin1'),
    record: {
      status,
      verdict,
      decidedBy,
      reason,
      refusal_code,
      decision_digest,
      phases,
      contexts,
      ...passed,
    },
  };
}

interface Raw {
  /** 0 where the connection broke before a head came. */
  status: number;
  broke: boolean;
  bytes: Buffer;
}

function ask(stream: SplitStream): Promise<Raw> {
  return new Promise((resolve) => {
    const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' };
    const sent = request(`${world.url}/sim${stream.path}`, { method: 'POST', agent, headers }, (answer) => {
      const chunks: Buffer[] = [];
      const settle = (): void =>
        resolve({
          status: answer.statusCode ?? 0,
          broke: !answer.complete,
          bytes: Buffer.concat(chunks),
        });
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('error', () => undefined);
      answer.once('close', settle);
    });
    sent.once('error', () => resolve({ status: 0, broke: true, bytes: Buffer.alloc(0) }));
    sent.end(JSON.stringify(stream.request));
  });
}

/** Policies under test, and what each must come to at a place of a stream: true, false, or null where it is open. */
interface Ruling {
  name: string;
  policy: Partial<PolicyEntry>;
  at(place: { window: string; characters: number; tools: readonly string[] }): boolean;
  /** Whether it rests on the text, so that text that cannot be told leaves it open. */
  readsText: boolean;
}

const watch: Partial<PolicyEntry> = {
  ...{ phase: 'stream', mode: 'shadow', when: { '>': [{ var: 'stream.detectors.email' }, 0] } },
};
/** Expressions that no text here matches, and that make RE2's automaton grow with every character: together they go to the inspector. */
const multiplying = ['[ab]a[ab]{9}c', '[ab]b[ab]{9}c', '[ab]a[ab]{9}[cd]', '[ab]b[ab]{9}[cd]'];
const rulings: readonly Ruling[] = [
  {
    name: 'text',
    policy: { phase: 'stream', when: { contains: [{ var: 'stream.text' }, wanted] } },
    at: ({ window }) => window.includes(wanted),
    readsText: true,
  },
  {
    name: 'slow',
    policy: {
      phase: 'stream',
      when: { or: [wanted, ...multiplying].map((pattern) => ({ matches: [{ var: 'stream.text' }, pattern] })) },
    },
    at: ({ window }) => window.includes(wanted),
    readsText: true,
  },
  {
    name: 'tool',
    policy: { phase: 'stream', when: { in: ['shell', { var: 'stream.tools' }] } },
    at: ({ tools }) => tools.includes('shell'),
    readsText: false,
  },
  {
    name: 'size',
    policy: { phase: 'stream', when: { '>': [{ var: 'stream.characters' }, 1000] } },
    at: ({ characters }) => characters > 1000,
    readsText: false,
  },
  {
    name: 'answer',
    policy: { phase: 'response', when: { contains: [{ var: 'answer.text' }, wanted] } },
    at: () => false,
    readsText: true,
  },
  { name: 'none', policy: { phase: 'stream', when: false }, at: () => false, readsText: false },
];

function policiesOf(ruling: Ruling): PolicyEntry[] {
  const whole: PolicyEntry = {
    ...{ id: 'p', version: 1, phase: 'stream', mode: 'enforce', scope: {}, when: true, on_error: 'deny' },
    then: { action: 'deny', reason: 'not here' },
  };
  const warn = { action: 'warn', reason: 'long' } as const;
  const long = { '>': [{ var: 'stream.characters' }, 300] };
  return [
    { ...whole, ...ruling.policy, id: 'ruling' },
    { ...whole, ...watch, id: 'watch' },
    { ...whole, id: 'long', phase: 'stream', when: long, then: warn },
  ];
}

/**
 * Where the stream must be cut, worked out from what its events hold and nothing else: the offset behind which nothing
 * gets out, or null where all of it does.
 */
function foreseeCut({ events, terminal, plain }: SplitStream, ruling: Ruling): number | null {
  let [offset, text, wasIncomplete] = [0, '', false];
  const last = events.at(-1);
  for (const event of events) {
    offset += event.lead.length;
    const before = text.length;
    text += event.text;
    const places: number[] = [];
    for (let at = (Math.floor(before / 256) + 1) * 256; at <= text.length; at += 256) places.push(at);
    if (event.text !== '' && event.incomplete && !wasIncomplete && places.length === 0) places.push(text.length);
    if (event.text !== '') wasIncomplete = event.incomplete;
    for (const characters of places) {
      const window = text.slice(Math.max(0, characters - 4096), characters);
      const isOpen = ruling.readsText && event.incomplete && ruling.name !== 'answer';
      if (isOpen || ruling.at({ window, characters, tools: event.tools })) return offset;
    }
    offset += event.bytes.length;
  }
  const place = { window: text.slice(-4096), characters: text.length, tools: last?.tools ?? [] };
  const incomplete = ruling.readsText && (last?.incomplete ?? false);
  const isBad = ruling.name === 'answer' ? text.includes(wanted) : ruling.at(place);
  return incomplete || isBad ? plain.length - terminal.length : null;
}

/** The bytes of a compressed answer that breaks off, as far as they can be decoded. */
function inflate(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const gunzip = createGunzip();
    gunzip.on('data', (chunk: Buffer) => chunks.push(chunk));
    gunzip.once('error', () => resolve(Buffer.concat(chunks)));
    gunzip.once('end', () => resolve(Buffer.concat(chunks)));
    gunzip.end(bytes);
  });
}

const notices = new Map([
  ['/v1/chat/completions', openaiChat],
  ['/v1/messages', anthropicMessages],
]);
const message = 'Blocked by policy ruling v1: not here';

/** Null where the caller got what it must have, else what is wrong. */
async function findFault(stream: SplitStream, cutAt: number | null, got: Outcome): Promise<string | null> {
  if (cutAt === null) {
    if (got.broke || got.decidedBy === 'policy:ruling@1') return 'cut, though no policy matches';
    return got.bytes.equals(stream.bytes) ? null : 'bytes changed on their way';
  }
  if (got.decidedBy !== 'policy:ruling@1') return `decided by ${got.decidedBy}`;
  if (stream.gzip) {
    if (!got.broke && got.status === 200) return 'not broken off';
    const plain = await inflate(got.bytes);
    const isStart = stream.plain.subarray(0, plain.length).equals(plain);
    return isStart && plain.length <= cutAt ? null : `${plain.length} bytes got out of ${cutAt}`;
  }
  const reason = /could not be decided/.test(JSON.stringify(got.record)) ? null : message;
  const notice =
    notices.get(stream.path)?.renderCut({ code: 'policy_denied', status: 403, message, runId: 'ID' }) ?? '';
  const allowed = stream.plain.subarray(0, cutAt);
  if (!got.bytes.subarray(0, cutAt).equals(allowed)) return `what got out differs from the first ${cutAt} bytes`;
  const rest = got.bytes.subarray(cutAt).toString();
  if (reason === null) return rest.length < 500 && rest.includes('policy ruling v1') ? null : `behind the cut: ${rest}`;
  return rest === notice ? null : `behind the cut: ${rest}`;
}

function drawPieces(random: Random, bytes: Buffer): Buffer[] {
  const style = random.between(0, 4);
  const places = new Set<number>();
  if (style === 0) for (let at = 1; at < bytes.length; at += 1) places.add(at);
  else if (style === 1) for (let at = 0, step = random.between(2, 97); at < bytes.length; at += step) places.add(at);
  else
    for (let nth = random.between(1, 40); nth > 0; nth -= 1)
      places.add(random.between(1, Math.max(1, bytes.length - 1)));
  const edges = [0, ...[...places].filter((at) => at > 0 && at < bytes.length).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, at) => bytes.subarray(edges[at], end));
}

t.test(
  'every split of a stream gives the same bytes, the same cut and the same decisions, in every dialect',
  async (t) => {
    t.comment(`seed ${seed}`);
    const random = createRandom(seed);
    const seen = { cut: 0, whole: 0, gzip: 0, incomplete: 0 };
    for (let round = 0; round < rounds; round += 1) {
      const stream = drawStream(random, random.pick(['chat', 'messages']));
      const ruling = random.pick(rulings);
      await world.setLimits([], { policies: policiesOf(ruling) });
      const cutAt = foreseeCut(stream, ruling);
      const whole = await play(stream, [stream.bytes], false);
      const where = `round ${round}, ${ruling.name}${stream.gzip ? ', gzip' : ''}, cut at ${cutAt}`;
      const fault = await findFault(stream, cutAt, whole);
      if (fault !== null) return t.fail(`${where}, in one piece: ${fault}`, whole.record);
      for (let nth = 0; nth < 4; nth += 1) {
        const pieces = drawPieces(random, stream.bytes);
        const got = await play(stream, pieces, random.chance(0.5));
        const wrong = await findFault(stream, cutAt, got);
        if (wrong !== null) return t.fail(`${where}, in ${pieces.length} pieces: ${wrong}`, got.record);
        if (!t.same(got.record, whole.record, `${where}, in ${pieces.length} pieces`)) return undefined;
      }
      seen[cutAt === null ? 'whole' : 'cut'] += 1;
      if (stream.gzip) seen.gzip += 1;
      if (stream.events.at(-1)?.incomplete) seen.incomplete += 1;
    }
    t.comment(
      `${seen.cut} streams cut, ${seen.whole} whole; ${seen.gzip} compressed, ${seen.incomplete} with choices in turns`,
    );
    t.comment(`${handedOver} places were looked at late`);
    t.ok(seen.cut > rounds / 8 && seen.whole > rounds / 8 && seen.gzip > 0, 'all kinds were met');
    return undefined;
  },
);

t.test('a stream in no format that can be read is decided on unseen, whatever pieces it comes in', async (t) => {
  const random = createRandom(seed);
  const bytes = Buffer.from(`data: {"text":"${wanted}"}\n\n`.repeat(40));
  const stream: SplitStream = {
    ...{ path: '/v1/something', request: { model: 'sim-1' }, gzip: false, events: [] },
    ...{ terminal: Buffer.alloc(0), plain: bytes, bytes },
  };
  for (const [onError, verdict] of [
    ['deny', 'deny'],
    ['allow', 'warn'],
  ] as const) {
    const ruling = rulings.find(({ name }) => name === 'text');
    const policies =
      ruling === undefined ? [] : policiesOf({ ...ruling, policy: { ...ruling.policy, on_error: onError } });
    await world.setLimits([], { policies: policies.map((one) => (one.id === 'long' ? { ...one, when: true } : one)) });
    const whole = await play(stream, [bytes], false);
    t.match(whole, { status: onError === 'deny' ? 403 : 200, verdict, broke: false });
    t.equal(whole.bytes.equals(bytes), onError === 'allow');
    for (let nth = 0; nth < 6; nth += 1) t.same(await play(stream, drawPieces(random, bytes), nth % 2 === 0), whole);
  }
});

t.test(
  'of a compressed stream nothing gets out of the event that is objected to, nor a byte too few before it',
  async (t) => {
    const ruling = rulings.find(({ name }) => name === 'text');
    if (ruling === undefined) throw new Error('no such ruling');
    await world.setLimits([], { policies: policiesOf(ruling) });
    const events = Array.from({ length: 40 }, (_, at) => chatEvent(at === 25 ? wanted : `word ${at} `));
    const plain = Buffer.from(events.join('') + chatEnd(null));
    const bytes = gzipSync(plain);
    // The place of the verdict is the first multiple of 256 characters behind the word.
    let [text, cutAt] = ['', 0];
    for (const [at, event] of events.entries()) {
      text += at === 25 ? wanted : `word ${at} `;
      if (at >= 25 && text.length >= 256) break;
      cutAt += event.length;
    }
    const stream: SplitStream = {
      ...{ path: '/v1/chat/completions', request: { model: 'sim-1', messages: [] }, gzip: true, events: [] },
      ...{ terminal: Buffer.alloc(0), plain, bytes },
    };
    const got = await play(
      stream,
      [...bytes].map((byte) => Buffer.of(byte)),
      true,
    );
    const shown = await inflate(got.bytes);
    t.match(got, { broke: true, decidedBy: 'policy:ruling@1' });
    t.ok(shown.length <= cutAt && shown.length > cutAt - 400, `${shown.length} of ${cutAt}`);
  },
);
