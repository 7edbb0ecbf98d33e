import { normalizeRoute } from '../../proxy/dialects/route.ts';
import type { Scope } from '../../storage/schema/snapshot.ts';

/** What scopes are matched against. Null or absent is matched by no scope that names the field, but for the model. */
export interface ScopeFacts {
  sub_tenant: string | null;
  /** Name of the key. A scope's `key` matches the name or the public id. */
  key: string | null;
  key_id: string | null;
  /** As configurations write it: `user-a`, or `service:x`. */
  actor: string | null;
  provider: string | null;
  /** The empty string where a request asks for none; null where it cannot be told, and then every scope on models may be meant. */
  model: string | null;
  route: string | null;
  tags: Readonly<Record<string, string>>;
}

export type MatchScope = (run: ScopeFacts) => boolean;

/** Fields that a scope may name, and the facts of the context that make the match repeatable in a replay. */
export const scopeFields: ReadonlyMap<keyof Scope, readonly string[]> = new Map([
  ['sub_tenant', ['principal.sub_tenant']],
  ['key', ['principal.key_id', 'principal.key_name']],
  ['actor', ['principal.actor_id', 'principal.actor_type']],
  ['provider', ['request.provider']],
  ['model', ['request.model']],
  ['route', ['request.route']],
  ['tag', []],
]);

/** The facts that a scope rests on, to be frozen with those that the condition names. */
export function listScopeFacts(scope: Scope): readonly string[] {
  const names: string[] = [];
  for (const [field, facts] of scopeFields) if (scope[field] !== undefined) names.push(...facts);
  if (scope.tag !== undefined) names.push(`tags.${splitTag(scope.tag).name}`);
  return names;
}

/**
 * Compiles a scope; all its fields must match, exactly and case included, but for routes: two ways to write one are one. A model
 * that cannot be told matches, and then the policy is open (`restsOnModel`). Null for a scope that matches every run.
 */
export function compileScope(scope: Scope): MatchScope | null {
  const tests: MatchScope[] = [];
  const { key, tag, sub_tenant, actor, provider, model, route } = scope;
  if (key !== undefined) tests.push((run) => run.key === key || run.key_id === key);
  if (provider !== undefined) tests.push((run) => run.provider === provider);
  if (model !== undefined) tests.push((run) => run.model === null || run.model === model);
  if (sub_tenant !== undefined) tests.push((run) => run.sub_tenant === sub_tenant);
  if (actor !== undefined) tests.push((run) => run.actor === actor);
  if (route !== undefined) tests.push(matchRoute(route));
  if (tag !== undefined) tests.push(matchTag(tag));
  const [only] = tests;
  if (tests.length <= 1) return only ?? null;
  return (run) => tests.every((test) => test(run));
}

function matchRoute(route: string): MatchScope {
  const wanted = normalizeRoute(route);
  return (run) => run.route === route || (run.route !== null && normalizeRoute(run.route) === wanted);
}

/** `name=value` asks for that value, `name` for any. */
export function splitTag(tag: string): { name: string; value: string | null } {
  const at = tag.indexOf('=');
  return at < 0 ? { name: tag, value: null } : { name: tag.slice(0, at), value: tag.slice(at + 1) };
}

function matchTag(tag: string): MatchScope {
  const { name, value } = splitTag(tag);
  return (run) => Object.hasOwn(run.tags, name) && (value === null || run.tags[name] === value);
}
