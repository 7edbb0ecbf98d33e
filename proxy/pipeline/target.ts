/** A request target taken apart: `/{provider}{path}{query}`. */
export interface Target {
  slug: string;
  /** Path below the slug, verbatim; empty or starting with `/`. */
  path: string;
  /** `?...` verbatim, or empty. */
  query: string;
}

const splitters = /\/|\\|%2f|%5c/i;
const illegal = /[^\x21-\x7e]|#/;

/**
 * Takes a request target apart without decoding it, before anything is routed or looked up.
 *
 * Returns a sentence for every form that two readers could understand differently: absolute form, dot segments in any
 * spelling, an encoded NUL, and a doubled or encoded slash before or inside the provider's slug. After the slug `//` and
 * `%2f` are data and stay as they came.
 */
export function readTarget(url: string): Target | string {
  if (!url.startsWith('/')) return 'The request target must be a path, such as /openai/v1/chat/completions.';
  if (illegal.test(url)) return 'The request target holds a character that must be percent-encoded.';
  const queryAt = url.indexOf('?');
  const whole = queryAt === -1 ? url : url.slice(0, queryAt);
  const query = queryAt === -1 ? '' : url.slice(queryAt);
  if (/[%\\]|\/\./.test(whole)) {
    if (/%00/.test(whole)) return 'The path holds an encoded NUL.';
    if (whole.split(splitters).some(isDotSegment)) return 'The path holds a dot segment.';
  }
  const slashAt = whole.indexOf('/', 1);
  const slug = slashAt === -1 ? whole.slice(1) : whole.slice(1, slashAt);
  if (slug === '' || splitters.test(slug)) return 'The path must begin with one slash and a provider, such as /openai.';
  return { slug, path: slashAt === -1 ? '' : whole.slice(slashAt), query };
}

function isDotSegment(segment: string): boolean {
  const plain = segment.replace(/%2e/gi, '.');
  return plain === '.' || plain === '..';
}

/** Values of the `key` parameter in a query, in any spelling, and the query without them. All else stays verbatim. */
export function takeKeyParameter(query: string): { values: string[]; rest: string } {
  if (query === '') return { values: [], rest: query };
  const values: string[] = [];
  const kept: string[] = [];
  for (const part of query.slice(1).split('&')) {
    const at = part.indexOf('=');
    if (at > 0 && decodeText(part.slice(0, at)).toLowerCase() === 'key') values.push(decodeText(part.slice(at + 1)));
    else kept.push(part);
  }
  if (values.length === 0) return { values, rest: query };
  return { values, rest: kept.length === 0 ? '' : `?${kept.join('&')}` };
}

/** Percent-decoded query text; text that is not validly encoded stays as it is. */
export function decodeText(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
