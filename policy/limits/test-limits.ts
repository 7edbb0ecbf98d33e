import type { Reading } from '../../storage/schema/reservation.ts';
import type { LimitEntry } from '../../storage/schema/snapshot.ts';
import type { CompiledLimit, LimitFacts, RunAmounts } from './index.ts';

export const usd = 1_000_000_000n;
export const nowMs = Date.UTC(2026, 10, 22, 12);

/** A limit of 600 requests in the last minute, unless `fields` says otherwise. */
export function limit(fields: Partial<LimitEntry> & { id: string }): LimitEntry {
  return {
    kind: 'requests',
    ceiling: '600',
    window: '1m',
    align: 'rolling',
    by: [],
    match: {},
    near: 80,
    unbounded: 'refuse',
    unpriced: 'refuse',
    when_redis_is_down: 'refuse',
    ...fields,
  };
}

type Fields = Partial<LimitEntry> & { id: string };

/** $50 a UTC day. */
export const money = (fields: Fields) =>
  limit({ kind: 'money', ceiling: `${50n * usd}`, window: '1d', align: 'calendar', ...fields });

/** A million tokens a UTC day. */
export const tokens = (fields: Fields) =>
  limit({ kind: 'tokens', unit: 'total_tokens', ceiling: '1000000', window: '1d', align: 'calendar', ...fields });

/** Ten runs at once. */
export const concurrency = (fields: Fields) =>
  limit({ kind: 'concurrency', ceiling: '10', window: '', align: 'calendar', ...fields });

/** 4,000 tokens a run. */
export const cap = (fields: Fields) =>
  limit({ kind: 'cap', unit: 'total_tokens', ceiling: '4000', window: '', align: 'calendar', ...fields });

/** A run with every dimension. */
export const run: LimitFacts = {
  subTenant: 'research',
  subTenantPath: ['research', 'labs'],
  keyId: 'key_1',
  keyName: 'app',
  actor: 'user-a',
  model: 'GPT-4o',
  provider: 'openai',
  route: '/v1/chat/completions',
  tags: { team: 'x', empty: '' },
};

/** 3,000 + 1,000 tokens for $0.72 at most. */
export const bounded: RunAmounts = {
  inputTokens: 3000n,
  outputTokens: 1000n,
  costNanoUsd: 720_000_000n,
  unpriced: false,
  unbounded: false,
  estimated: { inputTokens: 750n, outputTokens: 1000n, costNanoUsd: 300_000_000n },
};
export const unpriced: RunAmounts = {
  ...bounded,
  costNanoUsd: null,
  unpriced: true,
  estimated: { ...bounded.estimated, costNanoUsd: null },
};
export const unbounded: RunAmounts = { ...bounded, unbounded: true };

/** A counter as it stands, without a near mark. */
export function reading(used: bigint, reserved: bigint, resetsInMs = 0): Reading {
  return { used, reserved, resetsInMs, near: false };
}

/** The limit of that id; throws where there is none. */
export function pick(limits: readonly CompiledLimit[], id: string): CompiledLimit {
  const found = limits.find((one) => one.id === id);
  if (found === undefined) throw new Error(id);
  return found;
}
