import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { isDigit, isMarkEdge, isWord } from '../characters.ts';
import { containsWord, neighbourhood } from '../context.ts';
import type { Span } from '../detector.ts';
import type { View } from '../view.ts';
import { nationalForms, phoneWords } from './phone-words.ts';

/** Longest number with its separators that is looked at. E.164 allows 15 digits; `+`, brackets and separators come on top. */
const longest = 28;
const mostDigits = 17;
const fewestDigits = 7;
/** How many groups may be left off at the end until a number is valid: what follows is often another number. */
const mostCuts = 5;
/** How numbers of North America are written, with no word needed beside them. */
const northAmerican = /^(?:1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}-)[2-9]\d{2}-\d{4}$/;

/**
 * Phone numbers: candidates are cut out by plain scanning (bounded in length and digits), and libphonenumber's full metadata
 * decides. In international form (`+` or `00`) anywhere; as North America writes them anywhere; in other national forms
 * beside a word for a phone only, in the countries that the word's language makes likely.
 */
export function findPhones(view: View): Span[] {
  const found: Span[] = [];
  for (let at = 0; at < view.text.length; ) {
    const end = mayBegin(view.text, at) ? readCandidate(view.text, at) : at;
    const span = end > at ? findNumber(view, { start: at, end }) : null;
    if (span !== null) found.push(span);
    at = span === null ? skipGroup(view.text, at) : span.end;
  }
  return found;
}

/** Behind the digits at a place, or one further. */
function skipGroup(text: string, at: number): number {
  let end = at + 1;
  while (isDigit(text, at) && isDigit(text, end)) end += 1;
  return end;
}

function mayBegin(text: string, at: number): boolean {
  const unit = text.charAt(at);
  const digit = isDigit(text, at);
  if (!(digit || ((unit === '+' || unit === '(') && isDigit(text, at + 1)))) return false;
  const previous = text.charAt(at - 1);
  if (isWord(text, at - 1) || (previous !== '' && '+$€£#%'.includes(previous))) return false;
  return !(digit && '.-,/'.includes(previous || ' ') && isWord(text, at - 2));
}

/**
 * End of the digits, groups and single separators from a place on, as far as a number may reach; the place itself where that is no
 * candidate.
 */
function readCandidate(text: string, start: number): number {
  let [end, group, digits] = [start, start, 0];
  for (let at = start; at - start <= longest; at += 1) {
    if (isDigit(text, at)) {
      if (!isDigit(text, at - 1)) group = at;
      digits += 1;
      end = at + 1;
    } else if (!isSeparator(text, at, start)) break;
  }
  // A group that goes on behind the last place belongs to no number that begins here.
  if (end - start > longest || isDigit(text, end)) end = lastDigit(text, group, start);
  return digits >= fewestDigits ? end : start;
}

/** The place behind the last digit before `before`, not before `start`. */
function lastDigit(text: string, before: number, start: number): number {
  let end = before;
  while (end > start && !isDigit(text, end - 1)) end -= 1;
  return end;
}

function isSeparator(text: string, at: number, start: number): boolean {
  const unit = text.charAt(at);
  if (at === start) return unit === '+' || unit === '(';
  if (unit === '(') return isDigit(text, at + 1);
  if (unit === ')') return isDigit(text, at - 1);
  if (!' -./'.includes(unit)) return false;
  return isDigit(text, at - 1) ? isDigit(text, at + 1) || text.charAt(at + 1) === '(' : text.charAt(at - 1) === ')';
}

/** The number at the beginning of a candidate, at most `mostCuts` groups shorter than it. */
function findNumber(view: View, { start, end: last }: Span): Span | null {
  let end = last;
  for (let cut = 0; cut <= mostCuts && end > start; cut += 1) {
    if (mayEnd(view.text, end) && isNumber(view, { start, end })) return { start, end };
    while (end > start && isDigit(view.text, end - 1)) end -= 1;
    end = lastDigit(view.text, end, start);
  }
  return null;
}

function mayEnd(text: string, end: number): boolean {
  return !isWord(text, end) && !(text.charAt(end) === ':' && (isDigit(text, end + 1) || isMarkEdge(text, end + 1)));
}

function isNumber(view: View, span: Span): boolean {
  const written = view.text.slice(span.start, span.end);
  const digits = written.replace(/\D/g, '');
  if (digits.length < fewestDigits || digits.length > mostDigits) return false;
  if (written.startsWith('+')) return isValid(written, undefined);
  if (northAmerican.test(written) && isValid(written, 'US')) return true;
  // Groups behind other digits are looked at in this form only: in others, what stands before belongs to them.
  if (isDigit(view.text, span.start - 2)) return false;
  if (/^00[1-9]/.test(digits) && isValid(`+${digits.slice(2)}`, undefined)) return true;
  return isNational(view, { span, written, digits });
}

/** Whether a number is valid in a country that a word near it makes likely and whose form it has. */
function isNational(view: View, number: { span: Span; written: string; digits: string }): boolean {
  const { span, written, digits } = number;
  const forms = nationalForms.filter(
    ({ begins, fewest, most }) => digits.length >= fewest && digits.length <= most && begins.includes(digits.charAt(0)),
  );
  if (forms.length === 0) return false;
  const near = neighbourhood(view, span);
  const likely = phoneWords.filter(({ words }) => words.some((word) => containsWord(near, word)));
  const countries = new Set(likely.flatMap((row) => row.countries));
  return forms.some(({ country }) => countries.has(country) && isValid(written, country));
}

function isValid(written: string, country: CountryCode | undefined): boolean {
  const options = country === undefined ? { extract: false } : { defaultCountry: country, extract: false };
  return parsePhoneNumberFromString(written, options)?.isValid() ?? false;
}
