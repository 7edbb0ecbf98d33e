import { createPublicKey, randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import pino from 'pino';
import { uuidv7 } from 'uuidv7';
import { createKeyHasher } from '../policy/access/index.ts';
import { announceReady, onShutdown } from '../storage/process/lifecycle.ts';
import { type Environment, readEnvironment } from '../storage/process/environment.ts';
import { connectRedis, createLiveWriter, createManifestChannel, createReservations } from '../storage/redis/index.ts';
import { openSnapshotCache } from '../storage/snapshot-cache/index.ts';
import { openSpool } from '../storage/spool/index.ts';
import { openNodeIdentity } from '../storage/vault/node-identity.ts';
import { createNodeKey, openAtNode } from '../storage/vault/index.ts';
import { createRefusalCollapse } from './pipeline/collapse.ts';
import { governRun } from './pipeline/index.ts';
import type { Gate } from './pipeline/ports.ts';
import { createCredentialStore } from './pipeline/credential-store.ts';
import { createSettler } from './pipeline/settle.ts';
import { createRefresher } from './pipeline/refresher.ts';
import { createSnapshotFeed } from './pipeline/snapshot-feed.ts';
import { createAdminServer } from './routes/admin.ts';
import { createProxyServer } from './server.ts';
import { createTelemetry } from './telemetry.ts';
import { createUpstreamClient } from './upstream/client.ts';
import { createControlLink } from './upstream/control.ts';

const pollMs = 500;
const staleAfterMs = 30_000;
const secondMs = 1000;
const megabyte = 1024 * 1024;

/** What every address of this process falls back to. */
const anyPort = '127.0.0.1:0';

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
  const data = environment.required('HOC_DATA');
  const link = createControlLink(environment.required('HOC_CONTROL_URL'), environment.secret('HOC_NODE_TOKEN'));
  const redis = connectRedis(environment.required('REDIS_URL'));
  const subscriber = connectRedis(environment.required('REDIS_URL'));
  const credentials = createCredentialStore({
    name: proxyId,
    link,
    identity: openNodeIdentity(join(data, 'proxies', proxyId, 'node.json')),
    createKey: createNodeKey,
    open: openAtNode,
  });
  const spool = await openSpool({
    dir: join(data, 'spool'),
    proxyId,
    durability: environment.optional('HOC_DURABILITY') === 'disk' ? 'disk' : 'process',
  });
  const telemetry = createTelemetry(
    {
      spool: () => ({ bytes: spool.stats().bytes, oldestAgeSeconds: spool.stats().oldestMs / secondMs }),
      snapshotAgeSeconds: () => (feed.ageMs() ?? -secondMs) / secondMs,
    },
    (what, error) => log.error({ what, err: error }, 'the proxy failed on a run'),
  );
  const feed = createSnapshotFeed({
    source: link,
    cache: await openSnapshotCache(join(data, 'proxies', proxyId, 'snapshot')),
    publicKey: createPublicKey({
      key: Buffer.from(environment.secret('HOC_SNAPSHOT_PUBLIC_KEY'), 'base64'),
      format: 'der',
      type: 'spki',
    }),
    nowMs: Date.now,
    onChange: (snapshot) => {
      telemetry.manifestSequence.set(snapshot.manifest.sequence);
      log.info({ manifest: snapshot.manifestId, sequence: snapshot.manifest.sequence }, 'snapshot in force');
    },
  });
  const reservations = createReservations(redis, {
    timeoutMs: environment.integer('HOC_REDIS_TIMEOUT_MS', 100),
    epochOf: (tenant) => feed.current()?.tenants.get(tenant)?.ids.counter_epoch ?? null,
  });
  const upstream = createUpstreamClient();
  const settler = createSettler({
    reservations,
    gate: () => gate,
    onFailure: (error) => telemetry.failed('settle', error),
  });
  const gate: Gate = {
    clock: { nowMs: Date.now, nowUs: () => performance.now() * secondMs },
    ids: { runId: uuidv7, salt: createSaltSource() },
    hashKey: createKeyHasher(environment.secret('HOC_KEY_HASH_SECRET')),
    snapshot: feed.current,
    snapshotIsStale: () => (feed.ageMs() ?? Number.POSITIVE_INFINITY) > staleAfterMs,
    reservations,
    spool,
    upstream,
    credentials,
    telemetry,
    settler,
    limits: readLimits(environment),
  };
  const collapse = createRefusalCollapse(gate);

  await feed.restore().catch((error: unknown) => log.warn({ err: error }, 'the snapshot on disk is not usable'));
  const refresh = createRefresher({ feed, credentials, onTrouble: (on, error) => {
    telemetry.degraded('snapshot_not_confirmed', on);
    if (on) log.warn({ err: error }, 'control did not confirm the snapshot; the last good one stays in force');
  } });
  await refresh();
  const unsubscribe = await createManifestChannel(subscriber).subscribe(() => void refresh());

  let running = 0;
  let open = true;
  const server = createProxyServer(async (call, caller) => {
    running += 1;
    await governRun(gate, collapse, call, caller);
    running -= 1;
  });
  const admin = createAdminServer({
    metrics: async () => ({ contentType: telemetry.registry.contentType, body: await telemetry.registry.metrics() }),
    unready: () => [
      ...(open ? [] : ['draining']),
      ...(feed.current() === null ? ['no snapshot yet'] : []),
      ...(spool.accepts() ? [] : ['the spool takes no new runs']),
    ],
  });
  const live = createLiveWriter(redis, proxyId);
  const describeLive = () => ({
    proxy_id: proxyId,
    proxy_epoch: spool.epoch,
    at_ms: Date.now(),
    manifest_id: feed.current()?.manifestId ?? null,
    manifest_sequence: feed.current()?.manifest.sequence ?? null,
    running,
    draining: !open,
  });
  const timers = [
    setInterval(() => void refresh(), pollMs),
    setInterval(() => {
      collapse.flush(false);
      void live.write(describeLive()).catch((error: unknown) => log.debug({ err: error }, 'live state not written'));
    }, secondMs),
  ];
  const proxyUrl = await server.listen(environment.listen('HOC_PROXY_LISTEN', anyPort));
  const adminUrl = await admin.listen(environment.listen('HOC_ADMIN_LISTEN', anyPort));
  announceReady('proxy', { proxy: proxyUrl, admin: adminUrl });

  onShutdown(environment.optional('HOC_PARENT_PIPE') === '1', async () => {
    open = false;
    log.info('draining: no new connections, open runs go on');
    await server.drain();
    for (const timer of timers) clearInterval(timer);
    collapse.flush(true);
    await settler.drain();
    await unsubscribe();
    await spool.close();
    await Promise.all([admin.close(), upstream.close(), reservations.close()]);
    redis.disconnect();
    subscriber.disconnect();
  });
}

function readLimits(environment: Environment): Gate['limits'] {
  return {
    maxBodyBytes: environment.integer('HOC_MAX_BODY_BYTES', 64 * megabyte),
    maxCaptureBytes: environment.integer('HOC_MAX_CAPTURE_BYTES', 4 * megabyte),
    reservationMs: environment.integer('HOC_RESERVATION_MS', 900_000),
  };
}

/** 16 random bytes a call, drawn from the system in blocks: a call a salt would cost a system call each. */
function createSaltSource(): () => string {
  const block = Buffer.alloc(4096);
  let offset = block.length;
  return () => {
    if (offset === block.length) {
      randomFillSync(block);
      offset = 0;
    }
    offset += 16;
    return block.toString('hex', offset - 16, offset);
  };
}
