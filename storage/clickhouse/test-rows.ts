import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import type { RecordRow, RunVersionRow } from '../schema/rows.ts';
import type { TenantScope } from '../schema/scope.ts';
import { type ClickHouse, connectClickHouse } from './connection.ts';
import { type LaunchedFront, launchFront } from './front/test-launch.ts';
import { migrateClickHouse } from './migrate.ts';
import { scopeCondition, selectRows } from './select.ts';

/** A real engine in a folder of its own, migrated; `close` stops it and removes the folder. For tests. */
export async function openTestEngine(): Promise<{
  ch: ClickHouse;
  front: LaunchedFront;
  path: string;
  close(): Promise<void>;
}> {
  const path = await mkdtemp(join(tmpdir(), 'hoc-clickhouse-'));
  const front = await launchFront({ path });
  const ch = connectClickHouse(front.url);
  await migrateClickHouse(ch);
  return {
    ch,
    front,
    path,
    async close() {
      await ch.close();
      await front.stop();
      await rm(path, { recursive: true, force: true });
    },
  };
}

let sequence = 0;

/** A finished run with plausible values; `set` changes any of them. For tests. */
export function testRun(set: Partial<RunVersionRow> = {}): RunVersionRow {
  const startedAt = 1_790_000_000_000 + ++sequence * 1000;
  return {
    tenant: 'acme',
    run_id: uuidv7(),
    version: 3,
    status: 'succeeded',
    session_id: 'session-1',
    sub_tenant: null,
    key_id: 'key_0123',
    actor_type: 'human',
    actor_id: 'user-a',
    actor_source: 'asserted',
    provider: 'openai',
    dialect: 'openai-chat',
    model: 'gpt-4o-mini',
    tags: { team: 'research' },
    outcome: 'success',
    proximity: 'ok',
    verdict: 'allow',
    decided_by: null,
    input_tokens: 10,
    output_tokens: 20,
    cached_input_tokens: null,
    cache_write_tokens: null,
    reasoning_tokens: 0,
    usage_source: 'provider',
    cost_nano_usd: '123456',
    latency_ms: 12,
    ttft_ms: 3.5,
    snapshot_id: 'a'.repeat(64),
    context_digest: 'b'.repeat(64),
    decision_digest: 'c'.repeat(64),
    altered: false,
    started_at: startedAt,
    ended_at: startedAt + 12,
    reserved_nano_usd: '999',
    estimated_input_tokens: 11,
    estimated_output_tokens: null,
    count: 1,
    marks: ['overrun', 'usage_asked'],
    refusal_code: null,
    reason: null,
    http_status: 200,
    method: 'POST',
    route: '/v1/chat/completions',
    streamed: true,
    events: [
      { stage: 'identify', at_us: 5, detail: 'ok' },
      { stage: 'finish', at_us: 12_000, detail: 'ok' },
    ],
    proxy_id: 'proxy-1',
    proxy_epoch: 1,
    proxy_seq: sequence,
    leaf_hash: 'd'.repeat(64),
    limits: [
      { id: 'app-rpm', reserved: '1', settled: '1', taken: '17', ceiling: '60', near: false },
      { id: 'app-usd', reserved: '999', settled: '123456', taken: null, ceiling: '9000000000000000', near: true },
    ],
    cache_write_1h_tokens: null,
    input_audio_tokens: null,
    cached_audio_tokens: null,
    output_audio_tokens: null,
    input_image_tokens: null,
    output_image_tokens: 7,
    request_bytes: 100,
    response_bytes: 2000,
    context: '{"v":1}',
    decision: '{"verdict":"allow"}',
    decisions: null,
    actor_salt: '00'.repeat(16),
    session_salt: null,
    tags_salt: null,
    context_salt: null,
    request_salt: '11'.repeat(16),
    response_salt: null,
    ...set,
  };
}

/** The intent version of a run. For tests. */
export function testIntent(run: RunVersionRow): RunVersionRow {
  return {
    ...run,
    version: 1,
    status: 'running',
    outcome: null,
    cost_nano_usd: null,
    ended_at: null,
    latency_ms: null,
  };
}

/** A sealed record of a run. For tests. */
export function testRecord(run: RunVersionRow, set: Partial<RecordRow> = {}): RecordRow {
  const raw = JSON.stringify({ v: 1, kind: 'finish', run_id: run.run_id, text: 'ünïcode "quoted"\n' });
  return {
    tenant: run.tenant ?? '',
    proxy_id: run.proxy_id,
    proxy_epoch: run.proxy_epoch,
    proxy_seq: run.proxy_seq,
    kind: 'finish',
    run_id: run.run_id,
    at_ms: run.started_at,
    raw,
    leaf_hash: createHash('sha256').update('\0').update(raw).digest('hex'),
    ...set,
  };
}

/** How many runs there are, each once however many versions it has. For tests. */
export async function countRuns(ch: ClickHouse, scope: TenantScope): Promise<number> {
  const { condition, parameters } = scopeCondition(scope);
  const [row] = await selectRows(ch, { sql: `SELECT count() FROM runs FINAL WHERE ${condition}`, parameters });
  return Number(row?.[0] ?? 0);
}
