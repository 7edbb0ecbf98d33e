import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createKeyHasher } from '../policy/access/index.ts';
import {
  type ControlDatabase,
  connectPostgres,
  createControlStore,
  migratePostgres,
} from '../storage/postgres/index.ts';
import { launchPostgres } from '../storage/postgres/test-postgres.ts';
import type { Principal } from '../storage/schema/control.ts';
import type { LiveState } from '../storage/schema/live.ts';
import type { Reading } from '../storage/schema/reservation.ts';
import type { RunRow } from '../storage/schema/run.ts';
import { openSecret, readNodePublicKey, sealSecret, sealToNode } from '../storage/vault/index.ts';
import type { ControlContext } from './operations/context.ts';
import type { ChargeSum, CountersPort, ServerState } from './operations/ports.ts';
import { defaultRetention } from './operations/retention/apply.ts';
import { prepareControl } from './operations/snapshot/prepare.ts';

/** A test's control: real PostgreSQL and vault; the other engines are lists that the test looks into and can break. */
export interface TestControl {
  context: ControlContext;
  db: ControlDatabase;
  databaseUrl: string;
  bin: string;
  principal: Principal;
  published: string[];
  queued: string[];
  epochs: Map<string, string>;
  live: LiveState[];
  runs: RunRow[];
  logged: string[];
  /** What was restored, in order; the last stands. */
  restored: Parameters<CountersPort['restore']>[0][];
  charges: ChargeSum[];
  /** Writers' ticks, by tenant. */
  ticks: Map<string, ReadonlyMap<string, number>>;
  server: ServerState;
  /** Results of rebuilds that ended. */
  ended: string[];
  /** While true, Redis does not answer. */
  down: { redis: boolean };
  close(): Promise<void>;
}

/** Starts a PostgreSQL and makes a prepared control over it, for tests. */
export async function launchTestControl(options: { bin?: string } = {}): Promise<TestControl> {
  const server = await launchPostgres(options);
  const db = connectPostgres(server.url);
  await migratePostgres(db);
  const store = createControlStore(db);
  const masterKey = randomBytes(32);
  const down = { redis: false };
  const published: string[] = [];
  const queued: string[] = [];
  const epochs = new Map<string, string>();
  const live: LiveState[] = [];
  const runs: RunRow[] = [];
  const logged: string[] = [];
  const restored: TestControl['restored'] = [];
  const charges: ChargeSum[] = [];
  const ticks: TestControl['ticks'] = new Map();
  const redisServer: ServerState = { runId: 'r1', evicts: false, evictedKeys: 0, persists: true };
  const ended: string[] = [];
  const log = (fields: Readonly<Record<string, unknown>>, message: string): void => {
    logged.push(
      `${message} ${JSON.stringify(fields, (_name, value) => (value instanceof Error ? value.stack : value))}`,
    );
  };
  const askRedis = (): void => {
    if (down.redis) throw new Error('redis is down');
  };
  const context: ControlContext = {
    store,
    vault: {
      seal: (bound, secret) => sealSecret(masterKey, bound, secret),
      open: (bound, envelope) => openSecret(masterKey, bound, envelope),
      sealToNode,
      checkNodeKey: (key) => void readNodePublicKey(key),
    },
    channel: {
      publish: async (id) => {
        askRedis();
        published.push(id);
      },
    },
    epochs: {
      writeIfAbsent: async (tenant, epoch) => {
        askRedis();
        if (!epochs.has(tenant)) epochs.set(tenant, epoch);
      },
      read: async (tenant) => epochs.get(tenant) ?? null,
    },
    counters: {
      server: async () => {
        askRedis();
        return redisServer;
      },
      look: async (tenant) => {
        askRedis();
        const none = { count: 0, madeGood: 0, firstAtMs: null, lastAtMs: null };
        return { epoch: epochs.get(tenant) ?? null, ticks: ticks.get(tenant) ?? new Map(), expired: none };
      },
      invalidate: async (tenant, epoch) => {
        askRedis();
        if (epochs.get(tenant) === epoch) epochs.delete(tenant);
      },
      restore: async (restoration) => {
        askRedis();
        restored.push(restoration);
        epochs.set(restoration.tenant, restoration.epoch);
      },
      read: async (tenant, items) => items.map(({ key }) => readUsed(restored, tenant, key)),
    },
    charges: { sum: async () => charges, abandoned: async () => ['run-abandoned'] },
    rollups: {
      touches: async () => [],
      computeMinutes: async () => undefined,
      computeDays: async () => undefined,
      mark: async () => undefined,
      freshness: async () => ({ freshAtMs: 0, nowMs: 0 }),
      touchUncovered: async () => 0,
      read: async () => [],
    },
    retention: {
      days: defaultRetention,
      set: async () => false,
      renew: async () => null,
      setSystem: async () => [],
    },
    live: { read: async () => live },
    jobs: { add: async (job) => void queued.push(job.name) },
    runs: {
      readPage: async () => ({ rows: runs, next: null }),
      read: async (_scope, id) => {
        const run = runs.find((row) => row.run_id === id);
        return run === undefined
          ? null
          : { run, context: null, decision: null, decisions: null, payloads: [], records: [] };
      },
      stream: async function* () {
        yield* runs;
      },
      decisions: async () => [],
    },
    metrics: {
      auditAppended: () => undefined,
      manifestIssued: () => undefined,
      applied: () => undefined,
      countersInvalid: () => undefined,
      countersSeen: () => undefined,
      rebuildEnded: (result) => void ended.push(result),
      reservationsExpired: () => undefined,
      rebuildsWait: () => undefined,
      spoolsSeen: () => undefined,
      sequencesSeen: () => undefined,
      redisSeen: () => undefined,
      nodesEnrolled: () => undefined,
      rollupsFresh: () => undefined,
    },
    log: { info: log, warn: log, error: log },
    hashKey: createKeyHasher('a-test-hash-secret'),
    snapshotKey: generateKeyPairSync('ed25519').privateKey,
    now: Date.now,
    randomHex: (bytes) => randomBytes(bytes).toString('hex'),
  };
  await prepareControl(context, { serviceToken: null });
  const principal: Principal = { type: 'service', actor: 'service:svc_test', scopes: ['*'], from: '127.0.0.1' };
  const close = async (): Promise<void> => {
    await store.close();
    await server.stop();
  };
  const seen = { published, queued, epochs, live, runs, logged, down, restored, charges, ticks, ended };
  return { context, db, databaseUrl: server.url, bin: server.bin, principal, ...seen, server: redisServer, close };
}

function readUsed(restored: TestControl['restored'], tenant: string, key: string): Reading {
  const counters = restored.findLast((one) => one.tenant === tenant)?.counters ?? [];
  const used = counters.find((one) => one.key === key)?.used.reduce((sum, { amount }) => sum + amount, 0n) ?? 0n;
  return { used, reserved: 0n, resetsInMs: 0, near: false };
}
