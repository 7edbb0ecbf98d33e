import type {
  KeyDocument,
  LimitEntry,
  PolicyDocument,
  PriceDocument,
  ProviderEntry,
} from '../../storage/schema/snapshot.ts';
import { type CompiledSnapshot, compileSnapshot } from './snapshot.ts';

/** 1 USD per million input tokens and 2 per million of output: 1,000 and 2,000 nano-USD a token. */
export const inputNanoUsd = 1000n;
export const outputNanoUsd = 2000n;
const rates = { input: '1000000000', output: '2000000000', cached_input: null, cache_write: null };
export const modelCap = 8192;

const prices: PriceDocument = {
  v: 1,
  kind: 'prices',
  source: 'test',
  lists: ['sim', 'anthropic'].map((vendor) => ({
    vendor,
    models: ['sim-1', 'sim-hidden'].map((id) => ({
      id,
      aliases: [],
      tiers: [{ above_input_tokens: 0, rates }],
      max_output_tokens: modelCap,
      context_tokens: null,
      valid_from_ms: null,
      ...(id === 'sim-hidden' ? { hidden_output: true as const } : {}),
    })),
  })),
};

const keys: KeyDocument = {
  v: 1,
  kind: 'keys',
  tenant: 'acme',
  keys: [
    {
      ...{ id: 'key_1', name: 'app', hash: 'secret', sub_tenant: 'search', provider: null, actor: 'service:app' },
      ...{ expires_at_ms: null, state: 'active' },
    },
  ],
};

/** A limit of a day, refusing what it cannot bound; `part` names what differs. */
export function limit(part: Partial<LimitEntry> & Pick<LimitEntry, 'id' | 'kind' | 'ceiling'>): LimitEntry {
  return {
    window: part.kind === 'cap' || part.kind === 'concurrency' ? '' : '1d',
    ...(part.kind === 'tokens' ? { unit: 'total_tokens' as const } : {}),
    align: 'calendar',
    by: [],
    match: {},
    near: 80,
    unbounded: 'refuse',
    unpriced: 'refuse',
    when_redis_is_down: 'refuse',
    ...part,
  };
}

function describePolicy(url: string, limits: readonly LimitEntry[], settings: Partial<PolicyDocument>): PolicyDocument {
  const provider: ProviderEntry = {
    ...{ slug: 'sim', base_url: url, dialects: 'auto', credential: { kind: 'passthrough' }, ask_usage: 'never' },
    ...{ allow_private: true, price_as: null, headers: {} },
    ...{ connect_timeout_ms: 1000, headers_timeout_ms: 30_000, idle_timeout_ms: 30_000 },
  };
  return {
    ...{ v: 1, kind: 'policy', tenant: 'acme', state: 'active', capture: 'full' },
    sub_tenants: [
      { slug: 'search', parent: 'products' },
      { slug: 'products', parent: null },
    ],
    providers: [
      provider,
      { ...provider, slug: 'gone', price_as: 'sim', base_url: 'http://127.0.0.1:1' },
      { ...provider, slug: 'asked', ask_usage: 'always', price_as: 'sim' },
      { ...provider, slug: 'hasty', price_as: 'sim', headers_timeout_ms: 300 },
    ],
    policies: [],
    limits,
    ...settings,
  };
}

/** The snapshot of one tenant, `acme`, with these limits and settings and a provider at `url`. */
export function compileWorld(
  sequence: number,
  provider: { url: string },
  { limits, settings }: { limits: readonly LimitEntry[]; settings: Partial<PolicyDocument> },
): Promise<CompiledSnapshot> {
  const policy = describePolicy(provider.url, limits, settings);
  return compileSnapshot({
    manifestId: `m${sequence}`,
    manifest: {
      ...{ v: 1, kind: 'manifest', sequence, issued_at_ms: 0, prices: 'prices', proxies: 2 },
      tenants: [{ tenant: 'acme', policy: `policy${sequence}`, keys: 'keys', counter_epoch: 'e1' }],
      credentials_version: 0,
    },
    documents: (id) => (id === 'prices' ? prices : id === 'keys' ? keys : policy),
    previous: null,
    breathe: () => undefined,
  });
}
