import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { createLocalShare } from '../../policy/limits/index.ts';
import { createSaltSource } from '../../storage/process/salts.ts';
import {
  connectRedis,
  createReservations,
  type Redis,
  readCounters,
  writeEpochIfAbsent,
} from '../../storage/redis/index.ts';
import { type RedisServer, startRedisServer } from '../../storage/redis/test-server.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { FinishRecord, IntentRecord, OpenValues } from '../../storage/schema/record.ts';
import type { Reading } from '../../storage/schema/reservation.ts';
import type {
  KeyDocument,
  LimitEntry,
  PolicyDocument,
  PriceDocument,
  ProviderEntry,
} from '../../storage/schema/snapshot.ts';
import { openSpool, type Spool } from '../../storage/spool/index.ts';
import { createProxyServer } from '../server.ts';
import { createUpstreamClient } from '../upstream/client.ts';
import { createRefusalCollapse } from './collapse.ts';
import { governRun } from './index.ts';
import { createOpenReservations, type OpenReservations } from './open-reservations.ts';
import type { Gate, SpoolPort, TelemetryPort } from './ports.ts';
import { createSettler } from './settle.ts';
import { type CompiledSnapshot, compileSnapshot } from './snapshot.ts';

/** 1 USD per million input tokens and 2 per million of output: 1,000 and 2,000 nano-USD a token. */
export const inputNanoUsd = 1000n;
export const outputNanoUsd = 2000n;
const rates = { input: '1000000000', output: '2000000000', cached_input: null, cache_write: null };
export const modelCap = 8192;

const prices: PriceDocument = {
  v: 1,
  kind: 'prices',
  source: 'test',
  lists: ['sim', 'anthropic'].map((vendor) => ({
    vendor,
    models: ['sim-1', 'sim-hidden'].map((id) => ({
      id,
      aliases: [],
      tiers: [{ above_input_tokens: 0, rates }],
      max_output_tokens: modelCap,
      context_tokens: null,
      valid_from_ms: null,
      ...(id === 'sim-hidden' ? { hidden_output: true as const } : {}),
    })),
  })),
};

const keys: KeyDocument = {
  v: 1,
  kind: 'keys',
  tenant: 'acme',
  keys: [
    {
      ...{ id: 'key_1', name: 'app', hash: 'secret', sub_tenant: 'search', provider: null, actor: 'service:app' },
      ...{ expires_at_ms: null, state: 'active' },
    },
  ],
};

/** A limit of a day, refusing what it cannot bound; `part` names what differs. */
export function limit(part: Partial<LimitEntry> & Pick<LimitEntry, 'id' | 'kind' | 'ceiling'>): LimitEntry {
  return {
    window: part.kind === 'cap' || part.kind === 'concurrency' ? '' : '1d',
    ...(part.kind === 'tokens' ? { unit: 'total_tokens' as const } : {}),
    align: 'calendar',
    by: [],
    match: {},
    near: 80,
    unbounded: 'refuse',
    unpriced: 'refuse',
    when_redis_is_down: 'refuse',
    ...part,
  };
}

/** A provider on loopback that does what a test tells it, request by request. */
export type Provide = (request: IncomingMessage & { body: string }, response: ServerResponse) => void;

export interface World {
  url: string;
  redis: Redis;
  server: RedisServer;
  openReservations: OpenReservations;
  /** Counts of what the metrics were told, by name. */
  told: Map<string, number>;
  /** What the provider does from now on. */
  provide(how: Provide): void;
  /** Puts other limits (and settings) into force. */
  setLimits(limits: readonly LimitEntry[], settings?: Partial<PolicyDocument>): Promise<void>;
  finishOf(runId: string | null): Promise<FinishRecord & { open: OpenValues }>;
  /** The end of the one run that `during` makes, also where the caller is not told its id. */
  endDuring(during: () => Promise<unknown>): Promise<FinishRecord & { open: OpenValues }>;
  intentOf(runId: string | null): IntentRecord & { open: OpenValues };
  /** A counter of the tenant, once nothing is left to be settled. */
  reading(limitId: string): Promise<Reading>;
  /** Lets the spool take no more; `broken`: it cannot even tell what room it has. */
  fillSpool(full: 'none' | 'metadata' | 'all' | 'finish' | 'broken'): void;
  close(): Promise<void>;
}

/** A proxy's whole pipeline on real engines: Redis, a spool and a provider on loopback. */
export async function openWorld(options: { reservationMs?: number } = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'hoc-pipeline-'));
  const server = await startRedisServer();
  const redis = connectRedis(server.url);
  const spool = await openSpool({ dir, proxyId: 'p1', durability: 'process' });
  const provider = await startProvider();
  const records = watchSpool(spool);
  const told = new Map<string, number>();
  let snapshot: CompiledSnapshot | null = null;
  let sequence = 0;
  const reservations = createReservations(redis, { callerId: 'proxy:p1', timeoutMs: 75, epochOf: () => 'e1' });
  await reservations.ready();
  await writeEpochIfAbsent(redis, 'acme', 'e1');
  const clock = { nowMs: Date.now, nowUs: () => performance.now() * 1000 };
  const failed = (what: string) => count(told, `failed:${what}`);
  const settler = createSettler({ reservations, spool: records.port, clock, onFailure: () => failed('settle') });
  const upstream = createUpstreamClient();
  const openReservations = createOpenReservations();
  const gate: Gate = {
    clock,
    ids: { runId: uuidv7, salt: createSaltSource() },
    hashKey: (secret) => secret,
    snapshot: () => snapshot,
    hasRoom: () => true,
    snapshotIsStale: () => false,
    reservations,
    spool: records.port,
    upstream,
    credentials: { find: () => null },
    telemetry: createTold(told),
    openReservations,
    localShare: createLocalShare(),
    settler,
    limits: {
      maxBodyBytes: 16_000_000,
      maxCaptureBytes: 1_000_000,
      reservationMs: options.reservationMs ?? 900_000,
    },
  };
  const collapse = createRefusalCollapse(clock);
  const proxy = createProxyServer((call, caller) => governRun({ gate, collapse }, call, caller));
  const url = await proxy.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...{ url, redis, server, openReservations, told },
    provide: provider.provide,
    async setLimits(limits, settings = {}) {
      sequence += 1;
      const policy = describePolicy(provider.url, limits, settings);
      snapshot = await compileSnapshot({
        manifestId: `m${sequence}`,
        manifest: {
          ...{ v: 1, kind: 'manifest', sequence, issued_at_ms: 0, prices: 'prices', proxies: 2 },
          tenants: [{ tenant: 'acme', policy: `policy${sequence}`, keys: 'keys', counter_epoch: 'e1' }],
          credentials_version: 0,
        },
        documents: (id) => (id === 'prices' ? prices : id === 'keys' ? keys : policy),
        previous: null,
        breathe: () => undefined,
      });
    },
    finishOf: (runId) => poll(() => records.finishes.get(runId ?? '') ?? null, `the end of run ${runId}`),
    async endDuring(during) {
      const before = new Set(records.finishes.keys());
      await during();
      return poll(
        () => [...records.finishes.values()].find((one) => !before.has(one.run_id)) ?? null,
        'the end of a run',
      );
    },
    intentOf(runId) {
      const found = records.intents.get(runId ?? '');
      if (found === undefined) throw new Error(`run ${runId} has no intent`);
      return found;
    },
    async reading(limitId) {
      await settler.drain();
      const compiled = snapshot?.tenants.get('acme')?.limits.find((one) => one.id === limitId);
      if (compiled === undefined) throw new Error(`no limit ${limitId}`);
      const [reading] = await readCounters(redis, 'acme', [{ key: `c:${limitId}:*`, window: compiled.window }]);
      if (reading === undefined) throw new Error('no reading');
      return reading;
    },
    fillSpool: records.fill,
    async close() {
      provider.stop();
      await proxy.drain();
      await settler.drain();
      await Promise.all([upstream.close(), reservations.close()]);
      redis.disconnect();
      await spool.close();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function describePolicy(url: string, limits: readonly LimitEntry[], settings: Partial<PolicyDocument>): PolicyDocument {
  const provider: ProviderEntry = {
    ...{ slug: 'sim', base_url: url, dialects: 'auto', credential: { kind: 'passthrough' }, ask_usage: 'never' },
    ...{ allow_private: true, price_as: null, headers: {} },
    ...{ connect_timeout_ms: 1000, headers_timeout_ms: 30_000, idle_timeout_ms: 30_000 },
  };
  return {
    ...{ v: 1, kind: 'policy', tenant: 'acme', state: 'active', capture: 'full' },
    sub_tenants: [
      { slug: 'search', parent: 'products' },
      { slug: 'products', parent: null },
    ],
    providers: [
      provider,
      { ...provider, slug: 'gone', price_as: 'sim', base_url: 'http://127.0.0.1:1' },
      { ...provider, slug: 'asked', ask_usage: 'always', price_as: 'sim' },
      { ...provider, slug: 'hasty', price_as: 'sim', headers_timeout_ms: 300 },
    ],
    policies: [],
    limits,
    ...settings,
  };
}

function createTold(told: Map<string, number>): TelemetryPort {
  return {
    runStarted: () => undefined,
    runFinished: ({ status }) => count(told, `run:${status}`),
    limitUsed: () => undefined,
    limitNear: (_, id) => count(told, `near:${id}`),
    limitOverrun: (_, id) => count(told, `overrun:${id}`),
    limitToppedUp: (result) => count(told, `topup:${result}`),
    runCut: (cause) => count(told, `cut:${cause}`),
    failed: (what) => count(told, `failed:${what}`),
  };
}

function count(told: Map<string, number>, name: string): void {
  told.set(name, (told.get(name) ?? 0) + 1);
}

/** Reads along what is appended, and lets a test close the spool to it. */
function watchSpool(spool: Spool) {
  const intents = new Map<string, IntentRecord & { open: OpenValues }>();
  const finishes = new Map<string, FinishRecord & { open: OpenValues }>();
  let full: 'none' | 'metadata' | 'all' | 'finish' | 'broken' = 'all';
  const port: SpoolPort = {
    proxyId: spool.proxyId,
    epoch: spool.epoch,
    nextSeq: () => spool.nextSeq(),
    append(...frames) {
      const kinds = frames.map((frame) => (frame.kind === 'record' ? JSON.parse(frame.head.toString()).kind : ''));
      if (full === 'finish' && kinds.includes('finish')) throw spoolFull();
      spool.append(...frames);
      for (const frame of frames) {
        if (frame.kind !== 'record') continue;
        const record = JSON.parse(frame.head.toString());
        record.open = frame.tail.length === 0 ? {} : JSON.parse(frame.tail.toString());
        if (record.kind === 'intent') intents.set(record.run_id, record);
        if (record.kind === 'finish') finishes.set(record.run_id, record);
      }
    },
    room(tenant) {
      if (full === 'broken') throw new Error('broken, says the test');
      return full === 'finish' ? 'all' : full === 'all' ? spool.room(tenant) : full;
    },
  };
  return { port, intents, finishes, fill: (how: typeof full) => (full = how) };
}

function spoolFull(): HocError {
  return new HocError({ code: 'spool_full', publicMessage: 'full, says the test' });
}

async function startProvider(): Promise<{ url: string; provide: (how: Provide) => void; stop: () => void }> {
  let provide: Provide = (_, response) => void response.end();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => provide(Object.assign(request, { body: Buffer.concat(chunks).toString() }), response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    provide: (how) => {
      provide = how;
    },
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Polls until there is an answer, for at most ten seconds. */
export async function poll<T>(read: () => T | null | Promise<T | null>, what: string): Promise<T> {
  const endMs = Date.now() + 10_000;
  for (;;) {
    const found = await read();
    if (found !== null) return found;
    if (Date.now() > endMs) throw new Error(`Waited in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * A chat completion request through the proxy. On a connection that may be kept: with `connection: close`, fetch takes a
 * chunked answer that breaks off for a whole one.
 */
export function chat(world: World, part: object = {}, slug = 'sim', signal?: AbortSignal): Promise<Response> {
  return fetch(`${world.url}/${slug}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim-1', messages: [{ role: 'user', content: 'hello' }], ...part }),
    ...(signal === undefined ? {} : { signal }),
  });
}

export const idOf = (answer: Response): string | null => answer.headers.get('x-hoc-run-id');

/** One event of a streamed chat completion. */
export function chatEvent(content: string): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'sim-1', choices: [{ index: 0, delta: { content } }] })}\n\n`;
}

/** How a streamed chat completion ends, with the usage that its provider reports. */
export function chatEnd(usage: Record<string, unknown> | null): string {
  const finish = { id: 'c', model: 'sim-1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  const told = usage === null ? '' : `data: ${JSON.stringify({ id: 'c', choices: [], usage })}\n\n`;
  return `data: ${JSON.stringify(finish)}\n\n${told}data: [DONE]\n\n`;
}

/** A whole chat completion. */
export function chatAnswer(content: string, usage: Record<string, unknown> | null): string {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
  return JSON.stringify({ id: 'c', model: 'sim-1', choices, ...(usage === null ? {} : { usage }) });
}

export const eventStream = { 'content-type': 'text/event-stream' };
