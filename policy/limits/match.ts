import type { Scope } from '../../storage/schema/snapshot.ts';
import type { LimitFacts } from './facts.ts';

/**
 * Whether a limit's `match` covers a run: every named field must be equal.
 *
 * A sub-tenant covers itself and all below it. A key is named by its name or its public id; a tag by `name=value`, or
 * `name` for any value; models compare without regard to case, so that writing `GPT-4` passes no limit on `gpt-4`. A fact
 * that the run lacks matches nothing.
 */
export function matchesScope(scope: Scope, run: LimitFacts): boolean {
  return (
    isWithin(scope.sub_tenant, run) &&
    (equal(scope.key, run.keyId) || equal(scope.key, run.keyName)) &&
    equal(scope.actor, run.actor) &&
    equal(scope.provider, run.provider) &&
    equal(scope.model?.toLowerCase(), run.model?.toLowerCase() ?? null) &&
    equal(scope.route, run.route) &&
    hasTag(scope.tag, run.tags)
  );
}

function isWithin(wanted: string | undefined, run: LimitFacts): boolean {
  return equal(wanted, run.subTenant) || (wanted !== undefined && run.subTenantPath.includes(wanted));
}

function equal(wanted: string | undefined, found: string | null): boolean {
  return wanted === undefined || wanted === found;
}

function hasTag(wanted: string | undefined, tags: Readonly<Record<string, string>>): boolean {
  if (wanted === undefined) return true;
  const cut = wanted.indexOf('=');
  if (cut < 0) return Object.hasOwn(tags, wanted);
  const name = wanted.slice(0, cut);
  return Object.hasOwn(tags, name) && tags[name] === wanted.slice(cut + 1);
}
