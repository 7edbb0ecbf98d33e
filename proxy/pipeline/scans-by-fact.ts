import type { Scan } from '../../policy/rules/index.ts';

/** The scans of each content, made once for each list: so each list of tests stays the same, by which it is compiled. */
const groupedScans = new WeakMap<readonly Scan[], ReadonlyMap<string, readonly Scan[]>>();

/** Scans by the content that they test; the same lists for the same list, by which they are compiled. */
export function scansByFact(scans: readonly Scan[]): ReadonlyMap<string, readonly Scan[]> {
  const known = groupedScans.get(scans);
  if (known !== undefined) return known;
  const grouped = new Map<string, Scan[]>();
  for (const scan of scans) {
    const own = grouped.get(scan.fact) ?? [];
    own.push(scan);
    grouped.set(scan.fact, own);
  }
  groupedScans.set(scans, grouped);
  return grouped;
}
