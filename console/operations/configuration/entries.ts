import type {
  CredentialReference,
  LimitDimension,
  LimitEntry,
  PolicyEntry,
  ProviderEntry,
  Scope,
} from '../../../storage/schema/snapshot.ts';
import {
  configurationDefaults as defaults,
  type LimitConfiguration,
  type PolicyConfiguration,
  type ProviderConfiguration,
  type TenantConfiguration,
} from '../../contract/configuration.ts';
import { parseUsd } from './amounts.ts';

/** What the limits of a tenant take where they say nothing. */
export type LimitDefaults = Pick<LimitEntry, 'unbounded' | 'unpriced' | 'when_redis_is_down'>;

type RefuseOrCeiling = NonNullable<LimitConfiguration['unbounded']>;

function readRefuseOrCeiling(value: RefuseOrCeiling): LimitEntry['unbounded'] {
  if (value === 'refuse') return 'refuse';
  return { ceiling_nano_usd: (parseUsd(String(value.ceilingUsd)) ?? 0n).toString() };
}

/** Defaults of a tenant's limits, with everything that is not said filled in. */
export function readLimitDefaults(tenant: TenantConfiguration): LimitDefaults {
  return {
    unbounded: readRefuseOrCeiling(tenant.unbounded ?? defaults.unbounded),
    unpriced: readRefuseOrCeiling(tenant.unpriced ?? defaults.unpriced),
    when_redis_is_down: tenant.whenRedisIsDown ?? defaults.whenRedisIsDown,
  };
}

function readScope(scope: LimitConfiguration['match']): Scope {
  if (scope === undefined) return {};
  const { subTenant, ...rest } = scope;
  return subTenant === undefined ? rest : { ...rest, sub_tenant: subTenant };
}

/** The provider as proxies get it; a trailing slash of the base URL goes, since the caller's path brings its own. */
export function readProviderEntry(provider: ProviderConfiguration, credential: CredentialReference): ProviderEntry {
  return {
    slug: provider.slug,
    base_url: provider.baseUrl.replace(/\/+$/, ''),
    dialects: provider.dialects ?? defaults.dialects,
    credential,
    ask_usage: provider.askUsage ?? defaults.askUsage,
    allow_private: provider.allowPrivate ?? defaults.allowPrivate,
    price_as: provider.priceAs ?? null,
    headers: provider.headers ?? {},
    connect_timeout_ms: provider.timeouts?.connectMs ?? defaults.connectMs,
    headers_timeout_ms: provider.timeouts?.headersMs ?? defaults.headersMs,
    idle_timeout_ms: provider.timeouts?.idleMs ?? defaults.idleMs,
  };
}

function readAction(id: string, action: PolicyConfiguration['then']): PolicyEntry['then'] {
  if (action.action === 'tag') return action;
  const verb = action.action === 'deny' ? 'Denied' : 'Warned';
  return { action: action.action, reason: action.reason ?? `${verb} by policy ${id}` };
}

/** The policy as proxies get it. */
export function readPolicyEntry(policy: PolicyConfiguration, version: number): PolicyEntry {
  return {
    id: policy.id,
    version,
    phase: policy.phase ?? defaults.phase,
    mode: policy.mode ?? defaults.mode,
    scope: readScope(policy.scope),
    when: policy.when,
    then: readAction(policy.id, policy.then),
    on_error: policy.onError ?? defaults.onError,
  };
}

/** The limit as proxies get it. Money is exact; an amount that does not parse becomes 0, which its check refuses. */
export function readLimitEntry(limit: LimitConfiguration, tenant: LimitDefaults): LimitEntry {
  const isMoney = limit.kind === 'money';
  const money = parseUsd(String(limit.ceilingUsd ?? '')) ?? 0n;
  return {
    id: limit.id,
    kind: limit.kind,
    ceiling: (isMoney ? money : BigInt(limit.ceiling ?? 0)).toString(),
    window: limit.window ?? '1d',
    align: limit.align ?? defaults.align,
    by: (limit.by ?? []) as LimitDimension[],
    match: readScope(limit.match),
    near: limit.near ?? defaults.near,
    unbounded: limit.unbounded === undefined ? tenant.unbounded : readRefuseOrCeiling(limit.unbounded),
    unpriced: limit.unpriced === undefined ? tenant.unpriced : readRefuseOrCeiling(limit.unpriced),
    when_redis_is_down: limit.whenRedisIsDown ?? tenant.when_redis_is_down,
  };
}
