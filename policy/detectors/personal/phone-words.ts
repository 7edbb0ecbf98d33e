import { isAlphanumeric } from '../characters.ts';
import type { Span } from '../detector.ts';

/** How a country writes its numbers without the country code: the digits they begin with, and how many they have. */
export interface NationalForm {
  /** ISO 3166-1. */
  country: Country;
  begins: string;
  fewest: number;
  most: number;
}

/** ISO 3166-1. */
export type Country =
  | 'AT'
  | 'AU'
  | 'BE'
  | 'BR'
  | 'CA'
  | 'CH'
  | 'CN'
  | 'DE'
  | 'ES'
  | 'FR'
  | 'GB'
  | 'IN'
  | 'IT'
  | 'JP'
  | 'KR'
  | 'MX'
  | 'NL'
  | 'PL'
  | 'PT'
  | 'RU'
  | 'SE'
  | 'TR'
  | 'UA'
  | 'US'
  | 'ZA';

/** A word that stands beside phone numbers, and the countries whose national form it makes likely. */
export interface PhoneWords {
  words: readonly string[];
  countries: readonly Country[];
}

/** A first sieve, for what is worth parsing. Source: the national numbering plans as libphonenumber holds them. */
export const nationalForms: readonly NationalForm[] = [
  { country: 'AT', begins: '0', fewest: 7, most: 13 },
  { country: 'AU', begins: '0', fewest: 10, most: 10 },
  { country: 'BE', begins: '0', fewest: 9, most: 10 },
  { country: 'BR', begins: '0123456789', fewest: 10, most: 12 },
  { country: 'CA', begins: '123456789', fewest: 10, most: 11 },
  { country: 'CH', begins: '0', fewest: 10, most: 10 },
  { country: 'CN', begins: '01', fewest: 10, most: 12 },
  { country: 'DE', begins: '0', fewest: 7, most: 12 },
  { country: 'ES', begins: '6789', fewest: 9, most: 9 },
  { country: 'FR', begins: '0', fewest: 10, most: 10 },
  { country: 'GB', begins: '0', fewest: 10, most: 11 },
  { country: 'IN', begins: '06789', fewest: 10, most: 11 },
  { country: 'IT', begins: '03', fewest: 8, most: 11 },
  { country: 'JP', begins: '0', fewest: 10, most: 11 },
  { country: 'KR', begins: '0', fewest: 9, most: 11 },
  { country: 'MX', begins: '123456789', fewest: 10, most: 10 },
  { country: 'NL', begins: '0', fewest: 10, most: 10 },
  { country: 'PL', begins: '1234567', fewest: 9, most: 9 },
  { country: 'PT', begins: '239', fewest: 9, most: 9 },
  { country: 'RU', begins: '789', fewest: 10, most: 11 },
  { country: 'SE', begins: '0', fewest: 8, most: 10 },
  { country: 'TR', begins: '02345', fewest: 10, most: 11 },
  { country: 'UA', begins: '0', fewest: 10, most: 10 },
  { country: 'US', begins: '123456789', fewest: 10, most: 11 },
  { country: 'ZA', begins: '0', fewest: 10, most: 10 },
];

/** Words by language, lower case. Made by hand. */
export const phoneWords: readonly PhoneWords[] = [
  {
    words: [
      'phone',
      'telephone',
      'tel',
      'mobile',
      'cell',
      'cellphone',
      'fax',
      'call',
      'ring',
      'dial',
      'whatsapp',
      'sms',
    ],
    countries: ['US', 'GB', 'IN', 'AU', 'ZA', 'DE'],
  },
  {
    words: ['telefon', 'handy', 'mobil', 'rufnummer', 'telefonnummer', 'tel'],
    countries: ['DE', 'AT', 'CH', 'SE', 'PL', 'TR'],
  },
  { words: ['téléphone', 'portable', 'tél', 'numéro'], countries: ['FR', 'BE', 'CH', 'CA'] },
  { words: ['teléfono', 'móvil', 'celular', 'tfno'], countries: ['ES', 'MX'] },
  { words: ['telefono', 'cellulare', 'cell'], countries: ['IT', 'CH'] },
  { words: ['telefone', 'telemóvel', 'celular', 'fone'], countries: ['BR', 'PT'] },
  { words: ['telefoon', 'mobiel', 'telefoonnummer'], countries: ['NL', 'BE'] },
  { words: ['телефон', 'тел', 'моб', 'мобильный'], countries: ['RU', 'UA'] },
  { words: ['手机', '电话', '手机号'], countries: ['CN'] },
  { words: ['電話', '携帯', '電話番号'], countries: ['JP'] },
  { words: ['전화', '휴대폰', '연락처'], countries: ['KR'] },
];

/** Countries that the words near a span make likely. */
export type WordsNear = (span: Span) => ReadonlySet<Country>;

const before = 48;
const after = 24;

interface PlacedWord extends Span {
  countries: readonly Country[];
}

/**
 * Finds the words for a phone in a text, which stands in lower case, once. What it answers looks within 48 characters before a span and 24
 * behind it; what was redacted ends the neighbourhood, so that redacting never makes new findings.
 */
export function placePhoneWords(lower: string): WordsNear {
  const placed = phoneWords
    .flatMap(({ words, countries }) => words.flatMap((word) => placeWord(lower, word, countries)))
    .sort((a, b) => a.start - b.start);
  const none: ReadonlySet<Country> = new Set();
  if (placed.length === 0) return () => none;
  return ({ start, end }) => {
    const head = Math.max(
      start - before,
      lower.slice(Math.max(0, start - before), start).lastIndexOf(']') + 1 + start - before,
    );
    const mark = lower.slice(end, end + after).indexOf('[');
    const tail = mark === -1 ? end + after : end + mark;
    const countries = new Set<Country>();
    for (let at = firstFrom(placed, head); at < placed.length; at += 1) {
      const word = placed[at];
      if (word === undefined || word.end > tail) break;
      if (word.end <= start || word.start >= end) for (const country of word.countries) countries.add(country);
    }
    return countries;
  };
}

function placeWord(lower: string, word: string, countries: readonly Country[]): PlacedWord[] {
  const found: PlacedWord[] = [];
  for (let start = lower.indexOf(word); start !== -1; start = lower.indexOf(word, start + word.length)) {
    const end = start + word.length;
    const freeBefore = !isAlphanumeric(lower, start - 1) || !isAlphanumeric(word, 0);
    const freeAfter = !isAlphanumeric(lower, end) || !isAlphanumeric(word, word.length - 1);
    if (freeBefore && freeAfter) found.push({ start, end, countries });
  }
  return found;
}

/** Index of the first word that begins at or behind a place. */
function firstFrom(placed: readonly Span[], place: number): number {
  let [low, high] = [0, placed.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((placed[middle]?.start ?? 0) < place) low = middle + 1;
    else high = middle;
  }
  return low;
}
