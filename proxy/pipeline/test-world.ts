import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { inspectTexts } from '../../policy/detectors/index.ts';
import { createLocalShare } from '../../policy/limits/index.ts';
import { createSaltSource } from '../../storage/process/salts.ts';
import {
  connectRedis,
  createReservations,
  createSessions,
  type Redis,
  readCounters,
  writeEpochIfAbsent,
} from '../../storage/redis/index.ts';
import { type RedisServer, startRedisServer } from '../../storage/redis/test-server.ts';
import type { FinishRecord, IntentRecord, OpenValues, PayloadHead } from '../../storage/schema/record.ts';
import type { Reading } from '../../storage/schema/reservation.ts';
import type { LimitEntry, PolicyDocument } from '../../storage/schema/snapshot.ts';
import { openSpool } from '../../storage/spool/index.ts';
import { createProxyServer } from '../server.ts';
import { createUpstreamClient } from '../upstream/client.ts';
import { createRefusalCollapse } from './collapse.ts';
import { governRun } from './index.ts';
import { createLateEnds } from './late-ends.ts';
import { createOpenReservations, type OpenReservations } from './open-reservations.ts';
import type { Gate, TelemetryPort, UpstreamPort } from './ports.ts';
import { createSettler } from './settle.ts';
import type { CompiledSnapshot } from './snapshot.ts';
import { compileWorld } from './test-documents.ts';
import { type Provide, startProvider } from './test-provider.ts';
import { watchSpool } from './test-spool-watch.ts';

export { chat, chatAnswer, chatEnd, chatEvent, eventStream, idOf } from './test-chat.ts';
export { inputNanoUsd, limit, modelCap, outputNanoUsd } from './test-documents.ts';
export type { Provide } from './test-provider.ts';

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
  /** What was kept of the bodies of a run, as text. */
  payloadsOf(runId: string | null): (PayloadHead & { body: string })[];
  /** A counter of the tenant, once nothing is left to be settled. */
  reading(limitId: string): Promise<Reading>;
  /** Lets the spool take no more; `nothing`: though it says that it has room; `broken`: it cannot even tell that. */
  fillSpool(full: 'none' | 'metadata' | 'all' | 'finish' | 'nothing' | 'broken'): void;
  close(): Promise<void>;
}

/**
 * A proxy's whole pipeline on real engines: Redis, a spool and a provider on loopback. `nowMs` is the proxy's clock; with
 * `upstream` it asks that instead of the provider, and with `inspect` that instead of the inspector.
 */
export async function openWorld(
  options: {
    reservationMs?: number;
    nowMs?: () => number;
    upstream?: UpstreamPort;
    inspect?: Gate['inspector']['inspect'];
  } = {},
): Promise<World> {
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
  const clock = { nowMs: options.nowMs ?? Date.now, nowUs: () => performance.now() * 1000 };
  const failed = (what: string) => count(told, `failed:${what}`);
  const settler = createSettler({ reservations, spool: records.port, clock, onFailure: () => failed('settle') });
  const lateEnds = createLateEnds(() => failed('finish'));
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
    sessions: createSessions(redis, { timeoutMs: 75, onError: () => failed('session') }),
    inspector: { inspect: options.inspect ?? (async (_, job) => inspectTexts(job)) },
    spool: records.port,
    upstream: options.upstream ?? upstream,
    credentials: { find: () => null },
    telemetry: createTold(told),
    openReservations,
    counterEpoch: () => 'e1',
    localShare: createLocalShare(),
    settler,
    lateEnds,
    limits: {
      maxBodyBytes: 16_000_000,
      maxCaptureBytes: 1_000_000,
      maxDecideBytes: 1_000_000,
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
      snapshot = await compileWorld(sequence, provider, { limits, settings });
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
    payloadsOf: (runId) => records.payloads.filter((one) => one.run_id === runId),
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
      lateEnds.close();
      await settler.drain();
      await Promise.all([upstream.close(), reservations.close()]);
      redis.disconnect();
      await spool.close();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function createTold(told: Map<string, number>): TelemetryPort {
  return {
    runStarted: () => count(told, 'started'),
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
