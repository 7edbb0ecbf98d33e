import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { uuidv7 } from 'uuidv7';
import { connectClickHouse, insertBatch } from '../../storage/clickhouse/index.ts';
import { type Environment, readEnvironment } from '../../storage/process/environment.ts';
import { announceReady, onShutdown } from '../../storage/process/lifecycle.ts';
import { connectRedis, createLease, createReservations, readEpoch } from '../../storage/redis/index.ts';
import type { CountRequest } from '../../storage/schema/reservation.ts';
import {
  type Ballast,
  keepBallast,
  openLineLog,
  openSpoolReader,
  readIfPresent,
  readLostLeases,
  saveAtomically,
  spoolFolder,
} from '../../storage/spool/index.ts';
import { serveAdmin } from './admin.ts';
import { Books } from './books.ts';
import { type ControlPosts, createControlPosts } from './control-client.ts';
import { deliver } from './delivery.ts';
import { createDepthGauge, type DepthGauge } from './depth.ts';
import { type LeaseWatch, watchLease } from './lease-watch.ts';
import { createMetrics, type ShipperProbes } from './metrics.ts';
import type {
  InsertBatch,
  SealQueue,
  Settle,
  Settlement,
  ShipperClock,
  ShipperTelemetry,
  SpoolHealth,
  SpoolSource,
  StateStore,
} from './ports.ts';
import { readAheadForLedger } from './read-ahead.ts';
import { reportSpool } from './reporting.ts';
import { postQueuedSeals } from './seal-posting.ts';
import { settleLeftovers } from './settlement.ts';
import { Shipper } from './shipper.ts';

const redisTimeoutMs = 2000;
const clock: ShipperClock = { nowMs: Date.now, random: Math.random, batchId: uuidv7 };

/**
 * Runs the shipper of one proxy until it is told to end: joins the spool, ClickHouse, Redis and control to its loops.
 *
 * Goes on where the last one stopped, from its files beside the spool, and starts before any proxy ever ran too. ClickHouse,
 * Redis and control may each be away: what waits for them stays on disk. Rejects where settings or its files are unusable.
 */
export async function runShipper(variables: NodeJS.ProcessEnv): Promise<void> {
  const environment = readEnvironment(variables);
  const log = pino({ name: 'shipper' }, pino.destination(2));
  const proxyId = environment.optional('HOC_PROXY_ID') ?? 'proxy-1';
  const files = await openFiles(environment.required('HOC_DATA'), proxyId);
  const { source, seals, books } = files;
  const clickHouse = openSink(environment.required('CLICKHOUSE_URL'));
  const redis = openRedis(environment.required('REDIS_URL'), proxyId);
  const controlUrl = environment.required('HOC_CONTROL_URL');
  const posts = createControlPosts({ controlUrl, token: environment.secret('HOC_NODE_TOKEN') });
  const depth = createDepthGauge({ source, books, clock });
  const { registry, telemetry } = createMetrics(
    proxyId,
    probe({ files, backlogBytes: depth.bytes, oldestAtMs: () => shipper.oldestAtMs }),
    (level, fields, message) => log[level](fields, message),
  );
  const { insert } = clickHouse;
  const shipper = new Shipper({
    ...{ proxyId, books, source, seals, insert, clock, telemetry, limits: readLimits(environment) },
    leaseGoneForMs: redis.lease.goneForMs,
    leaseGoneMs: environment.integer('HOC_LEASE_GONE_MS', 600_000),
  });
  const loops = keepRunning(telemetry, listLoops({ proxyId, files, shipper, posts, redis, telemetry, depth }));
  const admin = await serveAdmin({
    listen: environment.listen('HOC_ADMIN_LISTEN', '127.0.0.1:0'),
    registry,
    isReady: clickHouse.isTaking,
    drain: (waitMs) => depth.drain(waitMs, { flush: () => shipper.flush(), sealsPending: () => seals.pending() }),
  });
  onShutdown(environment.optional('HOC_PARENT_PIPE') === '1', async () => {
    await loops.stop();
    admin.server.close();
    await Promise.all([redis.close(), clickHouse.close(), files.close()]);
  });
  announceReady('shipper', { admin: admin.url });
}

/** What runs side by side. None of it waits for another but through the books. */
function listLoops(input: {
  proxyId: string;
  files: Files;
  shipper: Shipper;
  posts: ControlPosts;
  redis: ReturnType<typeof openRedis>;
  telemetry: ShipperTelemetry;
  depth: DepthGauge;
}): Readonly<Record<string, (signal: AbortSignal) => Promise<void>>> {
  const { proxyId, files, shipper, posts, redis, telemetry, depth } = input;
  const { source, seals, books } = files;
  const overEpoch = () => shipper.overEpoch;
  const ahead = { books, source: files.ahead, caughtUpAtMs: () => shipper.caughtUpAtMs, overEpoch, clock };
  const settling = { ledger: books.ledger, overEpoch, settle: redis.settle, clock, telemetry };
  const reporting = {
    ...{ proxyId, books, source, health: files.health, post: posts.report, clock, telemetry },
    backlogBytes: depth.bytes,
    oldestAtMs: () => shipper.oldestAtMs,
    lastFrameAtMs: () => shipper.lastFrameAtMs,
  };
  return {
    ship: (signal) => shipper.run(signal),
    read_ahead: (signal) => readAheadForLedger({ ...ahead, signal }),
    settle: (signal) => settleLeftovers({ ...settling, signal }),
    post_seals: (signal) => postQueuedSeals({ seals, post: posts.seals, clock, telemetry, signal }),
    report: (signal) => reportSpool({ ...reporting, signal }),
    watch_lease: (signal) => redis.lease.run(signal),
    measure: (signal) => depth.run(signal, () => files.ballast.restore()),
  };
}

/** What the gauges show, read from the books and the seals at each scrape. */
function probe(input: { files: Files; backlogBytes: () => number; oldestAtMs: () => number | null }): ShipperProbes {
  const { books, seals, health } = input.files;
  const { ledger } = books;
  return {
    backlogBytes: input.backlogBytes,
    oldestAtMs: input.oldestAtMs,
    sealsPending: () => seals.pending(),
    openRuns: () => ledger.openCount,
    unsettledRuns: () => ledger.unsettledCount,
    droppedOpenRuns: () => ledger.droppedCount,
    sequenceGaps: () => books.state.totals.sequenceGaps,
    quarantinedBytes: () => health.lastQuarantinedBytes(),
    nowMs: clock.nowMs,
  };
}

/** Runs the loops side by side; one that fails is told to telemetry, waits, and is begun again. */
function keepRunning(
  telemetry: ShipperTelemetry,
  loops: Readonly<Record<string, (signal: AbortSignal) => Promise<void>>>,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const running = Object.entries(loops).map(([what, run]) =>
    deliver({ act: () => run(signal), onFailure: (error) => telemetry.failed(what, error), clock, signal }),
  );
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

/** A batch is cut at these frames, bytes, or milliseconds after its first frame. */
function readLimits(environment: Environment): { frames: number; bytes: number; lingerMs: number } {
  return {
    frames: environment.integer('HOC_SHIPPER_BATCH_FRAMES', 4000),
    bytes: environment.integer('HOC_SHIPPER_BATCH_BYTES', 8 * 1024 * 1024),
    lingerMs: environment.integer('HOC_SHIPPER_LINGER_MS', 200),
  };
}

interface Files {
  source: SpoolSource;
  /** A second reader, for what reads ahead of shipping. */
  ahead: SpoolSource;
  health: SpoolHealth & { lastQuarantinedBytes: () => number };
  seals: SealQueue;
  books: Books;
  ballast: Ballast;
  close(): Promise<void>;
}

/** The spool, read only, and the shipper's own files beside it; all its writing may use the ballast on a full disk. */
async function openFiles(data: string, proxyId: string): Promise<Files> {
  const dir = join(data, 'spool');
  const folder = spoolFolder(dir, proxyId);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const ballast = await keepBallast(folder);
  const source = openSpoolReader({ dir, proxyId });
  const ahead = openSpoolReader({ dir, proxyId });
  let quarantinedBytes = await source.quarantinedBytes();
  const lines = await openLineLog(join(folder, 'seals'));
  const store = (name: string): StateStore => ({
    load: () => readIfPresent(join(folder, name)),
    save: (text) => ballast.withRoom(() => saveAtomically(join(folder, name), text)),
  });
  return {
    source,
    ahead,
    health: {
      quarantinedBytes: async () => {
        quarantinedBytes = await source.quarantinedBytes();
        return quarantinedBytes;
      },
      lastQuarantinedBytes: () => quarantinedBytes,
      lostLeases: () => readLostLeases(folder),
    },
    seals: {
      append: (added) => ballast.withRoom(() => lines.append(added)),
      peek: (maxLines) => lines.peek(maxLines),
      drop: (taken) => ballast.withRoom(() => lines.drop(taken)),
      pending: () => lines.pending(),
    },
    books: await Books.open({ state: store('cursor.json'), checkpoint: store('open-runs.json'), source }),
    ballast,
    async close() {
      await source.close();
      await ahead.close();
      await lines.close();
    },
  };
}

/** ClickHouse; `isTaking` is false from a failed insert until the next that succeeds. */
function openSink(url: string): { insert: InsertBatch; isTaking: () => boolean; close: () => Promise<void> } {
  const clickHouse = connectClickHouse(url);
  let taking = true;
  return {
    async insert(batch) {
      try {
        await insertBatch(clickHouse, batch);
        taking = true;
      } catch (error) {
        taking = false;
        throw error;
      }
    },
    isTaking: () => taking,
    close: () => clickHouse.close(),
  };
}

/**
 * Settles under the epoch that stands in Redis: a run that its counters do not know was settled or expired before. One that
 * was admitted without counters is counted once; not under a later epoch, since whoever rebuilt those counters knew it.
 * Watches the lease of the proxy.
 */
function openRedis(
  redisUrl: string,
  proxyId: string,
): { settle: Settle; lease: LeaseWatch; close: () => Promise<void> } {
  const redis = connectRedis(redisUrl);
  const epochs = new Map<string, string | null>();
  const reservations = createReservations(redis, {
    callerId: `shipper:${proxyId}`,
    timeoutMs: redisTimeoutMs,
    epochOf: (tenant) => epochs.get(tenant) ?? null,
  });
  const lease = createLease(redis, { name: `proxy:${proxyId}`, ttlMs: 10_000 });
  return {
    lease: watchLease(lease.readHolder, clock),
    async settle(requests) {
      for (const tenant of new Set(requests.map((request) => request.tenant))) {
        epochs.set(tenant, await readEpoch(redis, tenant));
      }
      const isKnown = ({ tenant, uncounted }: Settlement) => uncounted?.epoch !== epochs.get(tenant);
      await reservations.settle(requests.filter(isKnown));
      await reservations.countOnce(requests.flatMap((request) => (isKnown(request) ? [] : [countOf(request)])));
    },
    async close() {
      await reservations.close();
      redis.disconnect();
    },
  };
}

function countOf({ tenant, runId, items, uncounted }: Settlement): CountRequest {
  return {
    ...{ tenant, runId, atMs: uncounted?.atMs ?? 0 },
    items: items.flatMap(({ window, ...item }) => (window === undefined ? [] : [{ ...item, window }])),
  };
}
