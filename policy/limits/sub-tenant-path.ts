import type { SubTenantEntry } from '../../storage/schema/snapshot.ts';

/**
 * The path of every sub-tenant to the root of its tree, its own slug first: what `LimitFacts.subTenantPath` takes.
 *
 * A parent that does not exist ends the path, and so does one that is on it already. Never throws.
 */
export function computeSubTenantPaths(entries: readonly SubTenantEntry[]): ReadonlyMap<string, readonly string[]> {
  const parents = new Map(entries.map((entry) => [entry.slug, entry.parent]));
  return new Map(entries.map((entry) => [entry.slug, tracePath(entry.slug, parents)]));
}

function tracePath(slug: string, parents: ReadonlyMap<string, string | null>): string[] {
  const path = new Set<string>();
  for (let at: string | null = slug; at !== null && parents.has(at) && !path.has(at); at = parents.get(at) ?? null) {
    path.add(at);
  }
  return [...path];
}
