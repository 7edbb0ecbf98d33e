import type { MatchLogic } from '@pydantic/genai-prices';
import { HocError } from '../../storage/schema/errors.ts';

/** Names that genai-prices keeps out with a look-ahead: the speech models beside a text model. */
const notSpeech = '^(?!.*-[tT][tT][sS](?:$|-))';

/**
 * Writes a match clause of genai-prices as aliases: names, and patterns of `*`, `#` and `!`.
 *
 * All its clauses but the regular expressions translate word for word; those are all of dates in digits, of literal
 * brackets, and one look-ahead. Throws `internal` for any other, so that an update of the package which brings a new form
 * fails its test and never silently prices less. Bundled prices are compared with the package for every name it lists.
 */
export function translateMatch(match: MatchLogic): readonly string[] {
  if ('or' in match) return match.or.flatMap(translateMatch);
  if ('and' in match) return match.and.flatMap(translateMatch);
  if ('equals' in match) return [literal(match.equals)];
  if ('starts_with' in match) return [`${literal(match.starts_with)}*`];
  if ('ends_with' in match) return [`*${literal(match.ends_with)}`];
  if ('contains' in match) return [`*${literal(match.contains)}*`];
  return translateRegex(match.regex);
}

function literal(text: string): string {
  const name = text.toLowerCase();
  if (/[*#]|^!/.test(name)) throw untranslatable(text);
  return name;
}

/** `^` and, unless open at its end, `$` around literals, `\d` and `\d{n}`. */
function translateRegex(regex: string): readonly string[] {
  if (regex === notSpeech) return ['!*-tts', '!*-tts-*'];
  const form = /^\^((?:[a-z0-9/=-]|\\[.[\]]|\\d(?:\{\d\})?)+)(\$?)$/.exec(regex);
  const [, body, end] = form ?? [];
  if (body === undefined) throw untranslatable(regex);
  const name = body.replace(/\\d(?:\{(\d)\})?/g, (_, times: string | undefined) => '#'.repeat(Number(times ?? 1)));
  return [`${name.replace(/\\([.[\]])/g, '$1')}${end === '$' ? '' : '*'}`];
}

function untranslatable(clause: string): HocError {
  return new HocError({ code: 'internal', publicMessage: `a price clause has no alias form: ${clause}` });
}
