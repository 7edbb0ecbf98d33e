import { createPublicKey } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pino, { type Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import { createKeyHasher, type KeyHasher, rememberHashes } from '../policy/access/index.ts';
import type { Inspection, InspectionJob } from '../policy/detectors/index.ts';
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
  createSessions,
  type Reservations,
} from '../storage/redis/index.ts';
import { openSnapshotCache } from '../storage/snapshot-cache/index.ts';
import { openSpool, type Spool } from '../storage/spool/index.ts';
import { createNodeKey, openAtNode } from '../storage/vault/index.ts';
import { openNodeIdentity } from '../storage/vault/node-identity.ts';
import { createInspector, type Inspector } from './inspector/threads.ts';
import { createRefusalCollapse } from './pipeline/collapse.ts';
import { createCountersAwayLog } from './pipeline/counters-away.ts';
import { createCredentialStore } from './pipeline/credential-store.ts';
import { openFreshSnapshot } from './pipeline/fresh-snapshot.ts';
import { governRun } from './pipeline/index.ts';
import { createLateEnds } from './pipeline/late-ends.ts';
import { keepLease, type LeaseKeeper } from './pipeline/lease-keeper.ts';
import { reportLive } from './pipeline/live-report.ts';
import { createMarks, type Marks } from './pipeline/marks.ts';
import { createOpenReservations } from './pipeline/open-reservations.ts';
import type { ClockPort, Gate, SessionPort } from './pipeline/ports.ts';
import { createProcessState, describeLive, listUnready, type ProcessState } from './pipeline/process-state.ts';
import { createSettler, noteSettled, type Settler } from './pipeline/settle.ts';
import type { SnapshotFeed } from './pipeline/snapshot-feed.ts';
import { type CountedRuns, countRuns } from './pipeline/uncounted-runs.ts';
import { createAdminServer } from './routes/admin.ts';
import { createProxyServer } from './server.ts';
import { createTelemetry, type ProxyTelemetry } from './telemetry.ts';
import { createUpstreamClient } from './upstream/client.ts';
import { type ControlLink, createControlLink } from './upstream/control.ts';

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
  const state = createProcessState();
  const parts: Parts = { environment, log, proxyId, spool, state };
  const lease = await joinLease(parts);
  const snapshot = await openSnapshot(parts);
  const { gate, runs, stop } = joinGate(parts, snapshot);
  const marks = joinMarks(parts, { snapshot, runs });
  // Before the first run: one that is let through without counters must know whether a rebuild has it.
  await Promise.race([marks.tell(), delay(secondMs, undefined, { ref: false })]);
  const collapse = createRefusalCollapse(clock);
  const server = createProxyServer(async (call, caller) => {
    state.running += 1;
    await governRun({ gate, collapse }, call, caller);
    state.running -= 1;
  });
  const live = await joinLive(parts, { snapshot, marks });
  const flushing = setInterval(() => {
    collapse.flush(false);
    void runs.pay();
  }, secondMs);
  const admin = createAdminServer({
    metrics: () => readMetrics(snapshot.telemetry),
    unready: () => listUnready({ state, snapshot: snapshot.feed.current(), spool }, lease.state()),
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

/** What every part of this process is joined with. */
interface Parts {
  environment: Environment;
  log: Logger;
  proxyId: string;
  spool: Spool;
  state: ProcessState;
}

interface OpenSnapshot {
  link: ControlLink;
  feed: SnapshotFeed;
  credentials: ReturnType<typeof createCredentialStore>;
  telemetry: ProxyTelemetry;
  refresh: () => Promise<void>;
}

/** The snapshot in force, from the disk first and then from control, and the metrics that tell its age. */
async function openSnapshot({ environment, log, proxyId, spool, state }: Parts): Promise<OpenSnapshot> {
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
      snapshotAgeSeconds: () => (state.snapshotAgeMs() ?? -secondMs) / secondMs,
      redisIsDown: () => state.redisIsDown(),
      leasesLost: () => state.leasesLost,
    },
    (what, error) => log.error({ what, err: error }, 'the proxy failed'),
  );
  const publicKey = Buffer.from(environment.secret('HOC_SNAPSHOT_PUBLIC_KEY'), 'base64');
  const { feed, refresh } = await openFreshSnapshot({
    ...{ source: link, credentials, nowMs: clock.nowMs, log },
    cache: await openSnapshotCache(join(folder, 'snapshot')),
    publicKey: createPublicKey({ key: publicKey, format: 'der', type: 'spki' }),
    onChange: (snapshot) => {
      telemetry.manifestSequence.set(snapshot.manifest.sequence);
      state.followSnapshot(snapshot);
      log.info({ manifest: snapshot.manifestId, sequence: snapshot.manifest.sequence }, 'snapshot in force');
    },
    onConfirmed: (isConfirmed) => telemetry.degraded('snapshot_not_confirmed', !isConfirmed),
  });
  state.snapshotAgeMs = feed.ageMs;
  return { link, feed, credentials, telemetry, refresh };
}

/** Joins everything the pipeline needs. `stop` settles what waits and closes what was opened here. */
function joinGate(
  parts: Parts,
  snapshot: OpenSnapshot,
): {
  gate: Gate;
  runs: CountedRuns;
  stop: () => Promise<void>;
} {
  const { environment, spool, state } = parts;
  const maxOpenRuns = environment.integer('HOC_MAX_OPEN_RUNS', 10_000);
  const { feed, telemetry, credentials } = snapshot;
  const { reservations, sessions, runs, settler, close } = joinCounters(parts, snapshot);
  const inspector = startInspector();
  const upstream = createUpstreamClient();
  const lateEnds = createLateEnds((error) => telemetry.failed('finish', error));
  const gate: Gate = {
    clock,
    ids: { runId: uuidv7, salt: createSaltSource() },
    hashKey: rememberHashes(createKeyHasher(environment.secret('HOC_KEY_HASH_SECRET')), rememberedKeys),
    snapshot: feed.current,
    hasRoom: () => state.running <= maxOpenRuns,
    snapshotIsStale: () => (feed.ageMs() ?? Number.POSITIVE_INFINITY) > staleAfterMs,
    sessions,
    inspector,
    reservations: { reserve: runs.reserve, settle: reservations.settle.bind(reservations) },
    openReservations: runs.open,
    counterEpoch: (tenant) => state.counterEpoch(tenant),
    localShare: createLocalShare(),
    spool,
    upstream,
    credentials,
    telemetry,
    lateEnds,
    settler: { add: runs.settle, flush: settler.flush },
    limits: {
      maxBodyBytes: environment.integer('HOC_MAX_BODY_BYTES', 64 * megabyte),
      maxCaptureBytes: Math.min(environment.integer('HOC_MAX_CAPTURE_BYTES', 4 * megabyte), 12 * megabyte),
      maxDecideBytes: environment.integer('HOC_MAX_DECIDE_BYTES', 4 * megabyte),
      reservationMs: environment.integer('HOC_RESERVATION_MS', 900_000),
    },
  };
  const stop = async () => {
    lateEnds.close();
    await runs.pay();
    await settler.drain();
    await Promise.all([upstream.close(), inspector.close(), close()]);
  };
  return { gate, runs, stop };
}

/** One core is left for everything else, where there are several. */
function startInspector(): Inspector<InspectionJob, Inspection> {
  return createInspector({
    ...{ entry: new URL('./inspector/main.js', import.meta.url), mostWaiting: 64, timeoutMs: 10_000 },
    threads: Math.max(1, Math.min(4, availableParallelism() - 1)),
  });
}

/** Joins what stands between runs and the limit counters in Redis. */
function joinCounters(
  parts: Parts,
  snapshot: OpenSnapshot,
): {
  reservations: Reservations;
  sessions: SessionPort;
  runs: CountedRuns;
  settler: Settler;
  close: () => Promise<void>;
} {
  const { environment, spool, state } = parts;
  const { feed, telemetry } = snapshot;
  const redis = connectRedis(environment.required('REDIS_URL'));
  const { host: address = '' } = redis.options;
  const logAway = createCountersAwayLog({
    ...{ log: parts.log, nowMs: clock.nowMs, snapshot: feed.current },
    address: `${address}:${redis.options.port ?? ''}`,
  });
  const timeoutMs = environment.integer('HOC_REDIS_TIMEOUT_MS', 75);
  const reservations = createReservations(redis, {
    onCircuit: (circuit) => logAway(circuit === 'open'),
    callerId: `proxy:${parts.proxyId}`,
    timeoutMs,
    epochOf: (tenant) => feed.current()?.tenants.get(tenant)?.ids.counter_epoch ?? null,
  });
  state.redisIsDown = () => reservations.state().circuit === 'open';
  const hide = createKeyHasher(environment.secret('HOC_KEY_HASH_SECRET'));
  const noted = createSessions(redis, { timeoutMs, onError: (error) => telemetry.failed('session', error) });
  // What is given up as a whole is not asked for sessions either: each question would wait for its time-out.
  const sessions: SessionPort = {
    note: async (run) => (state.redisIsDown() ? null : noted.note(hideSession(hide, run))),
  };
  const onFailure = (error: unknown) => telemetry.failed('settle', error);
  const settler = createSettler({ reservations, spool, clock, onFailure });
  const runs = countRuns({
    open: createOpenReservations(),
    reservations,
    settle: settler.add,
    noteSettled: (tenant, runIds) => noteSettled({ spool, clock }, tenant, runIds),
    onFailure: telemetry.failed,
  });
  const close = async () => {
    await reservations.close();
    redis.disconnect();
  };
  return { reservations, sessions, runs, settler, close };
}

/** Sessions and prompts as Redis may see them: nobody can try there what a short prompt may have said. */
function hideSession(hide: KeyHasher, run: Parameters<SessionPort['note']>[0]): typeof run {
  const { sessionDigest, promptDigest } = run;
  return { ...run, sessionDigest: hide(`session:${sessionDigest}`), promptDigest: hide(`prompt:${promptDigest}`) };
}

/** Answers new counter epochs from here on, also those that came into force before. */
function joinMarks({ spool, state }: Parts, { snapshot, runs }: { snapshot: OpenSnapshot; runs: CountedRuns }): Marks {
  const { link, feed, telemetry } = snapshot;
  const marks = createMarks({ runs, spool, control: link, clock, onFailure: telemetry.failed });
  state.followSnapshot = marks.follow;
  state.counterEpoch = marks.epochOf;
  const current = feed.current();
  if (current !== null) marks.follow(current);
  return marks;
}

/** Takes the lease of this proxy id for this spool and keeps it. Throws `conflict` where another spool has it. */
async function joinLease({ environment, log, proxyId, spool, state }: Parts): Promise<LeaseKeeper> {
  const redis = connectRedis(environment.required('REDIS_URL'));
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

/** Opens what live state goes out by and manifests are pushed over, and keeps both going. */
async function joinLive(
  { environment, log, proxyId, spool, state }: Parts,
  { snapshot, marks }: { snapshot: OpenSnapshot; marks: Marks },
): Promise<{ stop: () => Promise<void> }> {
  const url = environment.required('REDIS_URL');
  const writing = connectRedis(url);
  const listening = connectRedis(url);
  const live = await reportLive({
    read: () => describeLive({ state, snapshot: snapshot.feed.current(), spool }, clock.nowMs()),
    write: createLiveWriter(writing, proxyId).write,
    subscribe: createManifestChannel(listening).subscribe,
    refresh: () => snapshot.refresh().then(marks.tell),
    onFailure: (error) => log.debug({ err: error }, 'live state not written'),
  });
  const stop = async () => {
    await live.stop();
    writing.disconnect();
    listening.disconnect();
  };
  return { stop };
}

async function readMetrics({ registry }: ProxyTelemetry): Promise<{ contentType: string; body: string }> {
  return { contentType: registry.contentType, body: await registry.metrics() };
}
