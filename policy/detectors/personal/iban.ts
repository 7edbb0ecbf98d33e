import iban from 'validator/lib/isIBAN.js';
import { isAlphanumeric, isDigit, isLetter, isWord } from '../characters.ts';
import type { Span } from '../detector.ts';
import type { View } from '../view.ts';

/** Country and length of its account numbers. Source: SWIFT IBAN registry, release 99. */
const registry = `AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24
  FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
  LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24
  SM27 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20`;
const lengths = new Map(registry.split(/\s+/).map((row) => [row.slice(0, 2), Number(row.slice(2))]));

/** Countries whose account numbers are known. */
export const ibanCountries: readonly string[] = [...lengths.keys()];

/** IBANs: length and structure of their country and the check digits of ISO 7064 mod 97-10; groups of four or none. */
export function findIbans(view: View): Span[] {
  const found: Span[] = [];
  for (let at = 2; at < view.text.length; at += 1) {
    if (!isDigit(view.text, at) || !isDigit(view.text, at + 1) || !isLetter(view.text, at - 1)) continue;
    const span = readIban(view, at - 2);
    if (span !== null) found.push(span);
  }
  return found;
}

function readIban(view: View, start: number): Span | null {
  const length = lengths.get(view.text.slice(start, start + 2).toUpperCase());
  if (length === undefined || !mayBegin(view, start)) return null;
  let [letters, end] = ['', start];
  const gap = view.text.charAt(start + 4);
  const separator = gap === ' ' || gap === '-' ? gap : '';
  while (letters.length < length && isAlphanumeric(view.text, end)) {
    letters += view.text.charAt(end);
    end += 1;
    const groupEnds = letters.length % 4 === 0 && letters.length < length;
    if (separator !== '' && groupEnds && view.text.charAt(end) === separator) end += 1;
  }
  if (letters.length < length || isWord(view.text, end)) return null;
  return iban.default(letters) && /[1-9]/.test(letters.slice(4)) ? { start, end } : null;
}

/** At the beginning of a word, or straight behind the word IBAN. */
function mayBegin(view: View, start: number): boolean {
  return !isWord(view.text, start - 1) || view.lower.slice(start - 4, start) === 'iban';
}
