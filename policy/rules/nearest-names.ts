const mostNamed = 3;
/** Longest name that is compared; what is longer is no slip of the hand. */
const longestName = 80;

/**
 * The names that were probably meant by one that does not exist: at most three, the nearest first, none where nothing is
 * near. Near is what a slip of the hand makes: at most one edit in three characters, or the one being a part of the other.
 */
export function findNearestNames(name: string, names: Iterable<string>): readonly string[] {
  if (name.length > longestName) return [];
  const ranked: { candidate: string; edits: number }[] = [];
  for (const candidate of new Set(names)) {
    const edits = countEdits(name.toLowerCase(), candidate.toLowerCase());
    const isPart = name.length > 2 && candidate.length > 2 && (candidate.includes(name) || name.includes(candidate));
    if (isPart || edits <= Math.ceil(name.length / 3)) ranked.push({ candidate, edits });
  }
  ranked.sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1));
  return ranked.slice(0, mostNamed).map(({ candidate }) => candidate);
}

/** The nearest of them; null where nothing is near. */
export function findNearestName(name: string, names: Iterable<string>): string | null {
  return findNearestNames(name, names)[0] ?? null;
}

/** Insertions, deletions, replacements and swaps of neighbours that make one name the other. Names are slugs: short. */
function countEdits(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
