import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import pino, { type Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import { createKeyHasher, rememberHashes } from '../policy/access/index.ts';
import { createLocalShare } from '../policy/limits/index.ts';
import { type Environment, readEnvironment } from '../storage/process/environment.ts';
import { announceReady, onShutdown } from '../storage/process/lifecycle.ts';
import { createSaltSource } from '../storage/process/salts.ts';
import {
  connectRedis,
  createLease,
  createLiveWriter,
  createManifestChannel,
  createReservations,
  type Reservations,
} from '../storage/redis/index.ts';
import { openSnapshotCache } from '../storage/snapshot-cache/index.ts';
import { openSpool, type Spool } from '../storage/spool/index.ts';
import { createNodeKey, openAtNode } from '../storage/vault/index.ts';
import { openNodeIdentity } from '../storage/vault/node-identity.ts';
import { createRefusalCollapse } from './pipeline/collapse.ts';
import { createCredentialStore } from './pipeline/credential-store.ts';
import { governRun } from './pipeline/index.ts';
import { keepLease, type LeaseKeeper } from './pipeline/lease-keeper.ts';
import { createMarks, type Marks } from './pipeline/marks.ts';
import { createOpenReservations } from './pipeline/open-reservations.ts';
import type { ClockPort, Gate } from './pipeline/ports.ts';
import { createRefresher } from './pipeline/refresher.ts';
import { createSettler, type Settler } from './pipeline/settle.ts';
import type { CompiledSnapshot } from './pipeline/snapshot.ts';
import { createSnapshotFeed, type SnapshotFeed } from './pipeline/snapshot-feed.ts';
import { type CountedRuns, countRuns } from './pipeline/uncounted-runs.ts';
import { createAdminServer } from './routes/admin.ts';
import { createProxyServer } from './server.ts';
import { createTelemetry, type ProxyTelemetry } from './telemetry.ts';
import { createUpstreamClient } from './upstream/client.ts';
import { type ControlLink, createControlLink } from './upstream/control.ts';

const pollMs = 500;
const staleAfterMs = 30_000;
const secondMs = 1000;
const megabyte = 1024 * 1024;
const leaseMs = 10_000;
const renewLeaseEveryMs = 3000;
const rememberedKeys = 4096;
const anyPort = '127.0.0.1:0';
const clock: ClockPort = { nowMs: Date.now, nowUs: () => performance.now() * secondMs };

/**
 * Runs one proxy until it is told to end: joins the drivers to the pipeline, keeps the snapshot fresh, listens.
 *
 * Starts from the last good snapshot on its disk where control does not answer. On SIGTERM it stops taking connections,
 * lets every open run end, settles, and leaves the spool to the shipper.
 */
export async function runProxy(variables: NodeJS.ProcessEnv): Promise<void> {
  const environment = readEnvironment(variables);
  const log = pino({ name: 'proxy' }, pino.destination(2));
  const proxyId = environment.optional('HOC_PROXY_ID') ?? 'proxy-1';
  const spool = await openOwnSpool(environment, proxyId);
  const state: ProxyState = {
    ...{ open: true, running: 0, leasesLost: 0 },
    redisIsDown: () => false,
    followSnapshot: () => undefined,
  };
  const lease = await joinLease({ environment, log, proxyId, spool, state });
  const snapshot = await openSnapshot({ environment, log, proxyId, spool, state });
  const { gate, runs, stop } = joinGate({ environment, proxyId, snapshot, spool, state });
  const marks = joinMarks({ snapshot, runs, spool, state });
  const collapse = createRefusalCollapse(clock);
  const server = createProxyServer(async (call, caller) => {
    state.running += 1;
    await governRun({ gate, collapse }, call, caller);
    state.running -= 1;
  });
  const live = await reportLive({ environment, log, proxyId, spool, snapshot, state, marks });
  const flushing = setInterval(() => {
    collapse.flush(false);
    void runs.pay();
  }, secondMs);
  const admin = createAdminServer({
    metrics: () => readMetrics(snapshot.telemetry),
    unready: () => listReasons({ open: state.open, feed: snapshot.feed, spool, lease }),
  });
  const proxyUrl = await server.listen(environment.listen('HOC_PROXY_LISTEN', anyPort));
  const adminUrl = await admin.listen(environment.listen('HOC_ADMIN_LISTEN', anyPort));
  announceReady('proxy', { proxy: proxyUrl, admin: adminUrl });

  onShutdown(environment.optional('HOC_PARENT_PIPE') === '1', async () => {
    state.open = false;
    log.info({ running: state.running }, 'draining: no new connections, open runs go on');
    await server.drain();
    clearInterval(flushing);
    collapse.flush(true);
    await stop();
    await live.stop();
    await lease.stop();
    await spool.close();
    await admin.close();
  });
}

/** The spool of this proxy id, in a new epoch. Throws `conflict` where another process holds it. */
function openOwnSpool(environment: Environment, proxyId: string): Promise<Spool> {
  return openSpool({
    dir: join(environment.required('HOC_DATA'), 'spool'),
    proxyId,
    durability: environment.choice('HOC_DURABILITY', ['process', 'disk']),
    maxBytes: environment.integer('HOC_SPOOL_MAX_BYTES', 8 * 1024 * megabyte),
    whenFull: environment.choice('HOC_SPOOL_WHEN_FULL', ['refuse', 'metadata']),
  });
}

/** What the parts of this process tell each other. */
interface ProxyState {
  open: boolean;
  running: number;
  leasesLost: number;
  redisIsDown: () => boolean;
  /** Hears of every snapshot that comes into force. */
  followSnapshot: (snapshot: CompiledSnapshot) => void;
}

interface OpenSnapshot {
  link: ControlLink;
  feed: SnapshotFeed;
  credentials: ReturnType<typeof createCredentialStore>;
  telemetry: ProxyTelemetry;
  refresh: () => Promise<void>;
}

/** The snapshot in force, from the disk first and then from control, and the metrics that tell its age. */
async function openSnapshot(input: {
  environment: Environment;
  log: Logger;
  proxyId: string;
  spool: Spool;
  state: ProxyState;
}): Promise<OpenSnapshot> {
  const { environment, log, proxyId, spool, state } = input;
  const folder = join(environment.required('HOC_DATA'), 'proxies', proxyId);
  const link = createControlLink(environment.required('HOC_CONTROL_URL'), environment.secret('HOC_NODE_TOKEN'));
  const credentials = createCredentialStore({
    name: proxyId,
    link,
    identity: openNodeIdentity(join(folder, 'node.json')),
    createKey: createNodeKey,
    open: openAtNode,
  });
  const telemetry = createTelemetry(
    {
      spool: () => ({ bytes: spool.stats().bytes, oldestAgeSeconds: spool.stats().oldestMs / secondMs }),
      snapshotAgeSeconds: () => (feed.ageMs() ?? -secondMs) / secondMs,
      redisIsDown: () => state.redisIsDown(),
      leasesLost: () => state.leasesLost,
    },
    (what, error) => log.error({ what, err: error }, 'the proxy failed'),
  );
  const publicKey = Buffer.from(environment.secret('HOC_SNAPSHOT_PUBLIC_KEY'), 'base64');
  const feed = createSnapshotFeed({
    source: link,
    cache: await openSnapshotCache(join(folder, 'snapshot')),
    publicKey: createPublicKey({ key: publicKey, format: 'der', type: 'spki' }),
    nowMs: clock.nowMs,
    onChange: (snapshot) => {
      telemetry.manifestSequence.set(snapshot.manifest.sequence);
      state.followSnapshot(snapshot);
      log.info({ manifest: snapshot.manifestId, sequence: snapshot.manifest.sequence }, 'snapshot in force');
    },
  });
  await feed.restore().catch((error: unknown) => log.warn({ err: error }, 'the snapshot on disk is not usable'));
  const refresh = createRefresher({
    feed,
    credentials,
    onTrouble: (on, error) => {
      telemetry.degraded('snapshot_not_confirmed', on);
      if (on) log.warn({ err: error }, 'control did not confirm the snapshot; the last good one stays in force');
    },
  });
  await refresh();
  return { link, feed, credentials, telemetry, refresh };
}

/** Joins everything the pipeline needs. `stop` settles what waits and closes what was opened here. */
function joinGate(input: {
  environment: Environment;
  proxyId: string;
  snapshot: OpenSnapshot;
  spool: Spool;
  state: ProxyState;
}): {
  gate: Gate;
  runs: CountedRuns;
  stop: () => Promise<void>;
} {
  const { environment, spool, state } = input;
  const maxOpenRuns = environment.integer('HOC_MAX_OPEN_RUNS', 10_000);
  const { feed, telemetry, credentials } = input.snapshot;
  const { reservations, runs, settler, close } = joinCounters(input);
  const upstream = createUpstreamClient();
  const gate: Gate = {
    clock,
    ids: { runId: uuidv7, salt: createSaltSource() },
    hashKey: rememberHashes(createKeyHasher(environment.secret('HOC_KEY_HASH_SECRET')), rememberedKeys),
    snapshot: feed.current,
    hasRoom: () => state.running <= maxOpenRuns,
    snapshotIsStale: () => (feed.ageMs() ?? Number.POSITIVE_INFINITY) > staleAfterMs,
    reservations: { reserve: runs.reserve, settle: reservations.settle.bind(reservations) },
    openReservations: runs.open,
    localShare: createLocalShare(),
    spool,
    upstream,
    credentials,
    telemetry,
    settler: { add: runs.settle, flush: settler.flush },
    limits: {
      maxBodyBytes: environment.integer('HOC_MAX_BODY_BYTES', 64 * megabyte),
      maxCaptureBytes: Math.min(environment.integer('HOC_MAX_CAPTURE_BYTES', 4 * megabyte), 12 * megabyte),
      reservationMs: environment.integer('HOC_RESERVATION_MS', 900_000),
    },
  };
  const stop = async () => {
    await runs.pay();
    await settler.drain();
    await Promise.all([upstream.close(), close()]);
  };
  return { gate, runs, stop };
}

/** Joins what stands between runs and the limit counters in Redis. */
function joinCounters(input: {
  environment: Environment;
  proxyId: string;
  snapshot: OpenSnapshot;
  spool: Spool;
  state: ProxyState;
}): { reservations: Reservations; runs: CountedRuns; settler: Settler; close: () => Promise<void> } {
  const { environment, spool, state } = input;
  const { feed, telemetry } = input.snapshot;
  const redis = connectRedis(environment.required('REDIS_URL'));
  const reservations = createReservations(redis, {
    callerId: `proxy:${input.proxyId}`,
    timeoutMs: environment.integer('HOC_REDIS_TIMEOUT_MS', 75),
    epochOf: (tenant) => feed.current()?.tenants.get(tenant)?.ids.counter_epoch ?? null,
  });
  state.redisIsDown = () => reservations.state().circuit === 'open';
  const onFailure = (error: unknown) => telemetry.failed('settle', error);
  const settler = createSettler({ reservations, spool, clock, onFailure });
  const runs = countRuns({
    open: createOpenReservations(),
    reservations,
    settle: settler.add,
    onFailure: telemetry.failed,
  });
  const close = async () => {
    await reservations.close();
    redis.disconnect();
  };
  return { reservations, runs, settler, close };
}

/** Answers new counter epochs from here on, also those that came into force before. */
function joinMarks(input: { snapshot: OpenSnapshot; runs: CountedRuns; spool: Spool; state: ProxyState }): Marks {
  const { runs, spool, state } = input;
  const { link, feed, telemetry } = input.snapshot;
  const marks = createMarks({ runs, spool, control: link, clock, onFailure: telemetry.failed });
  state.followSnapshot = marks.follow;
  const current = feed.current();
  if (current !== null) marks.follow(current);
  return marks;
}

/** Takes the lease of this proxy id for this spool and keeps it. Throws `conflict` where another spool has it. */
async function joinLease(input: {
  environment: Environment;
  log: Logger;
  proxyId: string;
  spool: Spool;
  state: ProxyState;
}): Promise<LeaseKeeper> {
  const { log, proxyId, spool, state } = input;
  const redis = connectRedis(input.environment.required('REDIS_URL'));
  const lease = createLease(redis, { name: `proxy:${proxyId}`, ttlMs: leaseMs, holder: spool.identity });
  try {
    const keeper = await keepLease({
      ...{ lease, proxyId, waitMs: leaseMs + secondMs, renewEveryMs: renewLeaseEveryMs },
      onLost: (found) => {
        state.leasesLost += 1;
        log.error({ state: found }, 'the lease of this proxy id was lost');
        spool.noteLostLease().catch((error: unknown) => log.error({ err: error }, 'the loss was not noted'));
      },
    });
    return { state: keeper.state, stop: () => keeper.stop().finally(() => redis.disconnect()) };
  } catch (error) {
    redis.disconnect();
    await spool.close();
    throw error;
  }
}

/** Says once a second what is in force here, and listens for pushes of a new manifest beside the poll. */
async function reportLive(input: {
  environment: Environment;
  log: Logger;
  proxyId: string;
  spool: Spool;
  snapshot: OpenSnapshot;
  state: ProxyState;
  marks: Marks;
}): Promise<{ stop: () => Promise<void> }> {
  const { log, proxyId, spool, state, marks } = input;
  const { feed } = input.snapshot;
  const refresh = () => input.snapshot.refresh().then(marks.tell);
  const url = input.environment.required('REDIS_URL');
  const writing = connectRedis(url);
  const listening = connectRedis(url);
  const writer = createLiveWriter(writing, proxyId);
  const unsubscribe = await createManifestChannel(listening).subscribe(() => void refresh());
  const write = () =>
    writer
      .write({
        proxy_id: proxyId,
        proxy_epoch: spool.epoch,
        at_ms: clock.nowMs(),
        manifest_id: feed.current()?.manifestId ?? null,
        manifest_sequence: feed.current()?.manifest.sequence ?? null,
        running: state.running,
        draining: !state.open,
      })
      .catch((error: unknown) => log.debug({ err: error }, 'live state not written'));
  const timers = [setInterval(() => void refresh(), pollMs), setInterval(() => void write(), secondMs)];
  const stop = async () => {
    for (const timer of timers) clearInterval(timer);
    await unsubscribe();
    writing.disconnect();
    listening.disconnect();
  };
  return { stop };
}

async function readMetrics({ registry }: ProxyTelemetry): Promise<{ contentType: string; body: string }> {
  return { contentType: registry.contentType, body: await registry.metrics() };
}

function listReasons(input: { open: boolean; feed: SnapshotFeed; spool: Spool; lease: LeaseKeeper }): string[] {
  return [
    ...(input.open ? [] : ['draining']),
    ...(input.feed.current() === null ? ['no snapshot yet'] : []),
    ...(input.spool.accepts() ? [] : ['the spool takes no new runs']),
    ...(input.lease.state() === 'taken' ? ['another proxy holds this proxy id'] : []),
  ];
}
