export type MatchName = (name: string) => boolean;

const digit = /[0-9]/;

/** Whether an alias is a pattern and not simply a name. */
export function isPattern(alias: string): boolean {
  return alias.startsWith('!') || alias.includes('*') || alias.includes('#');
}

/**
 * Compiles one pattern: `*` is any run of characters, also none, `#` one ASCII digit, anything else itself.
 * Takes at most name length times pattern length steps, whatever the pattern: no regular expression is made of it.
 */
export function compilePattern(pattern: string): MatchName {
  const open = pattern.startsWith('*');
  const end = pattern.length > 1 && pattern.endsWith('*') ? -1 : pattern.length;
  const part = pattern.slice(open ? 1 : 0, end);
  if (isPattern(part) || (!open && end > 0)) return (name) => matches(pattern, name);
  if (!open) return (name) => name.startsWith(part);
  return end > 0 ? (name) => name.endsWith(part) : (name) => name.includes(part);
}

/** Compiles patterns of one model: any that does not begin with `!` takes a name, unless one that does takes it out. */
export function compilePatterns(aliases: readonly string[]): MatchName {
  const taken = aliases.filter((alias) => !alias.startsWith('!')).map(compilePattern);
  const left = aliases.filter((alias) => alias.startsWith('!')).map((alias) => compilePattern(alias.slice(1)));
  return (name) => taken.some((matches) => matches(name)) && !left.some((matches) => matches(name));
}

/** The usual two-pointer match: on a mismatch go back to the last `*` and let it take one character more. */
function matches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.length && isSame(pattern.charAt(p), name.charAt(n))) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function isSame(expected: string, actual: string): boolean {
  return expected === '#' ? digit.test(actual) : expected === actual;
}
