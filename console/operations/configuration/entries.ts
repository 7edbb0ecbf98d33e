import type { CredentialReference, PolicyEntry, ProviderEntry, Scope } from '../../../storage/schema/snapshot.ts';
import {
  configurationDefaults as defaults,
  type LimitConfiguration,
  type PolicyConfiguration,
  type ProviderConfiguration,
} from '../../contract/configuration.ts';

/** A scope as proxies get it. */
export function readScope(scope: LimitConfiguration['match']): Scope {
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

const verbs = { deny: 'Denied', hold: 'Held', modify: 'Modified', warn: 'Warned' } as const;

function readAction(id: string, action: PolicyConfiguration['then']): PolicyEntry['then'] {
  if (action.action === 'tag') return action;
  const reason = action.reason ?? `${verbs[action.action]} by policy ${id}`;
  return { ...action, reason };
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
