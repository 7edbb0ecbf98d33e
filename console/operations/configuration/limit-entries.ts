import type {
  LimitDimension,
  LimitEntry,
  LimitOverride,
  LimitUnit,
  RedisDownMode,
} from '../../../storage/schema/snapshot.ts';
import {
  configurationDefaults as defaults,
  type LimitConfiguration,
  type TenantConfiguration,
} from '../../contract/configuration.ts';
import { parseInstant, parseUsd } from './amounts.ts';
import { readScope } from './entries.ts';

/** What the limits of a tenant take where they say nothing, each kind as far as it can. */
export interface LimitDefaults {
  unbounded: 'refuse' | { ceiling_nano_usd?: string; ceiling_tokens?: string };
  unpriced: LimitEntry['unpriced'];
  /** Null: `local` for requests, `refuse` for every other kind. */
  when_redis_is_down: RedisDownMode | null;
}

/** The fields in which limits and overrides state a ceiling. */
export const ceilingFields = ['ceiling', 'ceilingUsd', 'ceilingTokens', 'ceilingMs'] as const;
export type CeilingField = (typeof ceilingFields)[number];

/** The fields that a limit may state its ceiling in; of several it takes exactly one. */
export function listCeilingFields(limit: Pick<LimitConfiguration, 'kind'>): readonly CeilingField[] {
  if (limit.kind === 'cap') return ['ceilingUsd', 'ceilingTokens', 'ceilingMs'];
  return limit.kind === 'money' ? ['ceilingUsd'] : ['ceiling'];
}

/** The field in which this limit states its ceiling, or should. */
export function findCeilingField(limit: LimitConfiguration): CeilingField {
  const fields = listCeilingFields(limit);
  return fields.find((field) => limit[field] !== undefined) ?? fields[0] ?? 'ceiling';
}

/** Defaults of a tenant's limits, with everything that is not said filled in. */
export function readLimitDefaults(tenant: TenantConfiguration): LimitDefaults {
  return {
    unbounded: readUnbounded(tenant.unbounded ?? defaults.unbounded),
    unpriced: readUnpriced(tenant.unpriced ?? defaults.unpriced),
    when_redis_is_down: tenant.whenRedisIsDown ?? null,
  };
}

/**
 * The limit as proxies get it, its overrides in the order of the file. Money is exact; an amount that does not parse
 * becomes 0, which its check refuses.
 *
 * `findStart` says when an override without `from` begins, Unix ms; by default a moment before its end, since without a
 * clock no more can be said.
 */
export function readLimitEntry(
  limit: LimitConfiguration,
  tenant: LimitDefaults,
  findStart: (id: string, untilMs: number) => number = (_id, untilMs) => untilMs - 1,
): LimitEntry {
  const unit = readUnit(limit);
  const field = findCeilingField(limit);
  const overrides = limit.overrides?.map((override): LimitOverride => {
    const untilMs = parseInstant(override.until) ?? Number.NaN;
    const fromMs = override.from === undefined ? findStart(override.id, untilMs) : parseInstant(override.from);
    const ceiling = readCeiling(override, field);
    return { id: override.id, ceiling, from_ms: fromMs ?? Number.NaN, until_ms: untilMs, reason: override.reason };
  });
  return {
    id: limit.id,
    kind: limit.kind,
    ...(unit === null ? {} : { unit }),
    ceiling: readCeiling(limit, field),
    window: limit.window ?? (limit.kind === 'concurrency' || limit.kind === 'cap' ? '' : '1d'),
    align: limit.align ?? defaults.align,
    by: (limit.by ?? []) as LimitDimension[],
    match: readScope(limit.match),
    near: limit.near ?? defaults.near,
    unbounded: limit.unbounded === undefined ? inheritUnbounded(limit, tenant) : readStatedUnbounded(limit.unbounded),
    unpriced: limit.unpriced === undefined ? inheritUnpriced(limit, tenant) : readUnpriced(limit.unpriced),
    when_redis_is_down: limit.whenRedisIsDown ?? inheritRedisDown(limit, tenant),
    ...(overrides === undefined || overrides.length === 0 ? {} : { overrides }),
  };
}

function readUnit(limit: LimitConfiguration): LimitUnit | null {
  const tokens = `${limit.counts ?? defaults.counts}_tokens` as const;
  if (limit.kind === 'tokens') return tokens;
  if (limit.kind !== 'cap') return null;
  const field = findCeilingField(limit);
  if (field === 'ceilingTokens') return tokens;
  return field === 'ceilingMs' ? 'milliseconds' : 'nano_usd';
}

function readCeiling(stated: Pick<LimitConfiguration, CeilingField>, field: CeilingField): string {
  const value = stated[field];
  if (field === 'ceilingUsd') return (parseUsd(String(value ?? '')) ?? 0n).toString();
  return BigInt(value ?? 0).toString();
}

type Unbounded = NonNullable<LimitConfiguration['unbounded']>;

function readUnbounded(value: Unbounded): LimitDefaults['unbounded'] {
  if (value === 'refuse') return 'refuse';
  const { ceilingUsd, ceilingTokens } = value;
  return {
    ...(ceilingUsd === undefined ? {} : { ceiling_nano_usd: readCeiling(value, 'ceilingUsd') }),
    ...(ceilingTokens === undefined ? {} : { ceiling_tokens: readCeiling(value, 'ceilingTokens') }),
  };
}

function readStatedUnbounded(value: Unbounded): LimitEntry['unbounded'] {
  const stated = readUnbounded(value);
  if (stated === 'refuse') return stated;
  if (stated.ceiling_tokens !== undefined) return { ceiling_tokens: stated.ceiling_tokens };
  return { ceiling_nano_usd: stated.ceiling_nano_usd ?? '0' };
}

function readUnpriced(value: NonNullable<LimitConfiguration['unpriced']>): LimitEntry['unpriced'] {
  return value === 'refuse' ? value : { ceiling_nano_usd: readCeiling(value, 'ceilingUsd') };
}

/** In what a limit may state what an unbounded run takes; null where nothing can be unbounded in its unit. */
export function findUnboundedField(limit: LimitConfiguration): 'ceilingUsd' | 'ceilingTokens' | null {
  const unit = readUnit(limit);
  if (limit.kind === 'money' || unit === 'nano_usd') return 'ceilingUsd';
  return unit === null || unit === 'milliseconds' ? null : 'ceilingTokens';
}

function inheritUnbounded(limit: LimitConfiguration, tenant: LimitDefaults): LimitEntry['unbounded'] {
  if (tenant.unbounded === 'refuse') return 'refuse';
  const field = findUnboundedField(limit);
  const { ceiling_nano_usd: nanoUsd, ceiling_tokens: tokens } = tenant.unbounded;
  if (field === 'ceilingUsd' && nanoUsd !== undefined) return { ceiling_nano_usd: nanoUsd };
  return field === 'ceilingTokens' && tokens !== undefined ? { ceiling_tokens: tokens } : 'refuse';
}

function inheritUnpriced(limit: LimitConfiguration, tenant: LimitDefaults): LimitEntry['unpriced'] {
  return findUnboundedField(limit) === 'ceilingUsd' ? tenant.unpriced : 'refuse';
}

function inheritRedisDown(limit: LimitConfiguration, tenant: LimitDefaults): RedisDownMode {
  if (limit.kind === 'requests') return tenant.when_redis_is_down ?? 'local';
  return tenant.when_redis_is_down === 'allow' ? 'allow' : 'refuse';
}
