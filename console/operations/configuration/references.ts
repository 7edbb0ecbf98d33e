import { bundledLists } from '../../../policy/pricing/index.ts';
import { findNearestNames } from '../../../policy/rules/index.ts';
import type {
  KeyConfiguration,
  LimitConfiguration,
  PolicyConfiguration,
  ProviderConfiguration,
  TenantConfiguration,
} from '../../contract/configuration.ts';
import { parseInstant } from './amounts.ts';
import { checkLimitFields, checkTenantLimits } from './limits.ts';
import { checkPrices } from './prices.ts';
import type { FieldPath, Report } from './source.ts';

const ownHeaders =
  /^(authorization|proxy-authorization|x-api-key|api-key|x-goog-api-key|cookie|host|content-length|transfer-encoding|connection|te|upgrade|trailer|keep-alive|x-hoc-.*)$/i;

/** Reports everything in one tenant that names what does not exist, stands twice, or does not fit together. */
export function checkTenant(tenant: TenantConfiguration, path: FieldPath, report: Report): void {
  checkUnique(tenant.subTenants ?? [], 'slug', { path: [...path, 'subTenants'], report });
  checkUnique(tenant.providers ?? [], 'slug', { path: [...path, 'providers'], report });
  checkUnique(tenant.keys ?? [], 'name', { path: [...path, 'keys'], report });
  checkUnique(tenant.policies ?? [], 'id', { path: [...path, 'policies'], report });
  checkUnique(tenant.limits ?? [], 'id', { path: [...path, 'limits'], report });
  checkTree(tenant, path, report);
  checkTenantLimits(tenant, { path, report });
  checkPrices(tenant.prices ?? [], [...path, 'prices'], report);
  const known = { provider: new Set<string>(), subTenant: new Set<string>() };
  for (const { slug } of tenant.providers ?? []) known.provider.add(slug);
  for (const { slug } of tenant.subTenants ?? []) known.subTenant.add(slug);
  const placed = <Item>(list: string, items: readonly Item[] | undefined): [Item, Place][] =>
    (items ?? []).map((item, index) => [item, { known, path: [...path, list, index], report }]);
  for (const [provider, place] of placed('providers', tenant.providers)) {
    checkProvider(provider, place);
    checkPriceList(provider, tenant, place);
  }
  for (const [key, place] of placed('keys', tenant.keys)) checkKey(key, place);
  for (const [policy, place] of placed('policies', tenant.policies)) checkScope(policy, place);
  for (const [limit, place] of placed('limits', tenant.limits)) checkLimit(limit, place);
}

/** Reports every item of a list that has the same name as one before it. */
export function checkUnique<Field extends string>(
  items: readonly Readonly<Record<Field, string>>[],
  field: Field,
  { path, report }: { path: FieldPath; report: Report },
): void {
  const seen = new Set<string>();
  items.forEach((item, index) => {
    if (seen.has(item[field])) report([...path, index, field], `\`${item[field]}\` stands twice; expected each once`);
    seen.add(item[field]);
  });
}

interface Place {
  known: { provider: ReadonlySet<string>; subTenant: ReadonlySet<string> };
  path: FieldPath;
  report: Report;
}

function below(place: Place, field: string): Place {
  return { ...place, path: [...place.path, field] };
}

function checkKnown(kind: 'provider' | 'subTenant', name: string | undefined, place: Place): void {
  if (name === undefined || place.known[kind].has(name)) return;
  const list = kind === 'provider' ? 'providers' : 'subTenants';
  place.report(
    [...place.path, kind],
    `\`${name}\` is not one of this tenant's ${list}; expected one that the file lists`,
  );
}

function checkTree(tenant: TenantConfiguration, path: FieldPath, report: Report): void {
  const parents = new Map((tenant.subTenants ?? []).map((entry) => [entry.slug, entry.parent]));
  for (const [index, entry] of (tenant.subTenants ?? []).entries()) {
    const place = [...path, 'subTenants', index, 'parent'];
    if (entry.parent === undefined) continue;
    if (!parents.has(entry.parent)) report(place, `\`${entry.parent}\` is not one of this tenant's subTenants`);
    else if (isOwnAncestor(entry.slug, parents)) report(place, 'This sub-tenant is its own ancestor; expected a tree');
  }
}

function isOwnAncestor(slug: string, parents: ReadonlyMap<string, string | undefined>): boolean {
  const walked = new Set<string>();
  for (let at: string | undefined = slug; at !== undefined; at = parents.get(at)) {
    if (walked.has(at)) return true;
    walked.add(at);
  }
  return false;
}

function checkProvider(provider: ProviderConfiguration, { path, report }: Place): void {
  const fault = findUrlFault(provider.baseUrl);
  if (fault !== null)
    report([...path, 'baseUrl'], `${fault}; expected an http or https URL such as https://api.example.com`);
  for (const name of Object.keys(provider.headers ?? {})) {
    if (ownHeaders.test(name)) {
      report(
        [...path, 'headers', name],
        'This header is set by the proxy itself or carries a credential; use `credential`',
      );
    }
  }
}

/** A list that nobody has would make every run of the provider unpriced, and its money limits refuse them all. */
function checkPriceList(
  { priceAs }: ProviderConfiguration,
  tenant: TenantConfiguration,
  { path, report }: Place,
): void {
  const names = [...bundledLists, ...(tenant.prices ?? []).map(({ list }) => list)];
  if (priceAs === undefined || names.includes(priceAs)) return;
  const nearest = findNearestNames(priceAs, names).map((name) => `\`${name}\``);
  const expected = nearest.length > 0 ? ` (nearest: ${nearest.join(', ')})` : ', such as `openai`';
  const message = `No price list is called \`${priceAs}\`; expected a bundled one or one of this tenant's \`prices\`${expected}`;
  report([...path, 'priceAs'], message);
}

function findUrlFault(text: string): string | null {
  if (/[\s\\]/.test(text)) return 'A URL has no spaces or backslashes';
  if (!URL.canParse(text)) return 'Not a URL';
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'Not an http or https URL';
  if (url.username !== '' || url.password !== '') return 'A base URL carries no credentials';
  if (text.includes('?') || text.includes('#')) return 'A base URL has no query or fragment';
  return url.hostname === '' ? 'A base URL names a host' : null;
}

function checkKey(key: KeyConfiguration, place: Place): void {
  checkKnown('provider', key.provider, place);
  checkKnown('subTenant', key.subTenant, place);
  if (key.expires !== undefined && parseInstant(key.expires) === null) {
    place.report(
      [...place.path, 'expires'],
      'No such instant; expected one such as 2027-01-31 or 2027-01-31T12:00:00Z',
    );
  }
}

function checkScope(policy: PolicyConfiguration, place: Place): void {
  checkKnown('provider', policy.scope?.provider, below(place, 'scope'));
  checkKnown('subTenant', policy.scope?.subTenant, below(place, 'scope'));
}

function checkLimit(limit: LimitConfiguration, place: Place): void {
  checkKnown('provider', limit.match?.provider, below(place, 'match'));
  checkKnown('subTenant', limit.match?.subTenant, below(place, 'match'));
  checkLimitFields(limit, place);
}
