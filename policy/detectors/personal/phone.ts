import { isDigit, isMarkEdge, isWord } from '../characters.ts';
import type { Span } from '../detector.ts';
import type { View } from '../view.ts';
import { isInternational, isNationalIn } from './phone-plans.ts';
import { type Country, nationalForms, placePhoneWords, type WordsNear } from './phone-words.ts';

/** Longest number with its separators that is looked at. E.164 allows 15 digits; `+`, brackets and separators come on top. */
const longest = 28;
const mostDigits = 17;
const fewestDigits = 7;
/** How many groups may be left off at the end until a number is valid: what follows is often another number. */
const mostCuts = 5;
/** Candidates that may lie over one place. Numbers that are written one behind the other make one or two. */
const mostOver = 4;
/** How numbers of North America are written, with no word needed beside them. */
const northAmerican = /^(?:1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}-)[2-9]\d{2}-\d{4}$/;

/**
 * Phone numbers: candidates are cut out by plain scanning (bounded in length and digits), and libphonenumber's full metadata
 * decides. In international form (`+` or `00`) anywhere; as North America writes them anywhere; in other national forms
 * beside a word for a phone only, in the countries that the word's language makes likely. Where more than four candidates
 * would lie over one place, as brackets around each digit make them, the later ones are passed over.
 */
export function findPhones(view: View): Span[] {
  const found: Span[] = [];
  if (!/[0-9]/.test(view.text)) return found;
  const near = placePhoneWords(view.lower);
  const failed: number[] = [];
  for (let at = 0; at < view.text.length; ) {
    const end = mayBegin(view.text, at) && (failed.at(-mostOver) ?? 0) <= at ? readCandidate(view.text, at) : at;
    const span = end > at ? findNumber(view, near, { start: at, end }) : null;
    if (span !== null) found.push(span);
    else if (end > at) failed.push(end);
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
function findNumber(view: View, near: WordsNear, { start, end: last }: Span): Span | null {
  let end = last;
  let digits = view.text.slice(start, end).replace(/\D/g, '');
  for (let cut = 0; cut <= mostCuts && digits.length >= fewestDigits; cut += 1) {
    if (digits.length <= mostDigits && mayEnd(view.text, end) && isNumber(view, near, { start, end, digits }))
      return { start, end };
    const whole = end;
    while (end > start && isDigit(view.text, end - 1)) end -= 1;
    digits = digits.slice(0, digits.length - (whole - end));
    end = lastDigit(view.text, end, start);
  }
  return null;
}

function mayEnd(text: string, end: number): boolean {
  return !isWord(text, end) && !(text.charAt(end) === ':' && (isDigit(text, end + 1) || isMarkEdge(text, end + 1)));
}

interface Candidate extends Span {
  digits: string;
}

function isNumber({ text }: View, near: WordsNear, candidate: Candidate): boolean {
  const { start, end, digits } = candidate;
  if (text.charAt(start) === '+') return isInternational(digits);
  if (northAmerican.test(text.slice(start, end)) && isNationalIn('US', digits)) return true;
  // Groups behind other digits are looked at in this form only: in others, what stands before belongs to them.
  if (isDigit(text, start - 2)) return false;
  if (/^00[1-9]/.test(digits) && isInternational(digits.slice(2))) return true;
  return isNational(near, candidate);
}

/** Whether a number is valid in a country that a word near it makes likely and whose form it has. */
function isNational(near: WordsNear, { start, end, digits }: Candidate): boolean {
  const countries: ReadonlySet<Country> = near({ start, end });
  if (countries.size === 0) return false;
  return nationalForms.some(
    ({ country, begins, fewest, most }) =>
      digits.length >= fewest &&
      digits.length <= most &&
      begins.includes(digits.charAt(0)) &&
      countries.has(country) &&
      isNationalIn(country, digits),
  );
}
