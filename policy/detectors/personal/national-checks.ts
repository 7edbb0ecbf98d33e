import identityCard from 'validator/lib/isIdentityCard.js';
import taxId from 'validator/lib/isTaxID.js';
import { digitsOf, isDay, isLuhn, isShortDay, remainder, weigh } from '../checksums.ts';

/** Whether letters and digits without separators, upper case, are an id of the country. */
export type NationalCheck = (id: string) => boolean;

/** A check of the library `validator` that looks at its argument alone (others of it read the clock and are written out here). */
export function byTaxId(locale: string): NationalCheck {
  return (id) => taxId.default(id, locale);
}

/** As `byTaxId`, for identity cards. */
export function byIdentityCard(locale: 'PL' | 'FI' | 'IN' | 'NO' | 'TH' | 'zh-TW' | 'he-IL'): NationalCheck {
  return (id) => identityCard.default(id, locale);
}

/** US SSN: area, group and serial that were never given, and numbers that were printed. Source: SSA, POMS RM 10201. */
export function isSocialSecurity(id: string): boolean {
  const [area, group, serial] = [id.slice(0, 3), id.slice(3, 5), id.slice(5)];
  if (area === '000' || area === '666' || area >= '900' || group === '00' || serial === '0000') return false;
  return id !== '078051120' && id !== '219099999';
}

/** UK National Insurance number. Source: HMRC, NIM39110. */
export function isNationalInsurance(id: string): boolean {
  if (/^(?:BG|GB|KN|NK|NT|TN|ZZ)/.test(id)) return false;
  return /^[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z]\d{6}[A-D]$/.test(id);
}

/** UK NHS number: modulus 11. Source: NHS Data Dictionary. */
export function isHealthService(id: string): boolean {
  const check = 11 - (weigh(id, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11);
  return !/^(\d)\1*$/.test(id) && (check === 11 ? 0 : check) === Number(id.slice(9));
}

/** French number of registration (INSEE, sécurité sociale): sex, month, department and the key 97 - n mod 97. Source: INSEE. */
export function isRegistration(id: string): boolean {
  const month = Number(id.slice(3, 5));
  if (!/^[1-478]/.test(id) || !((month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50))
    return false;
  const body = id
    .slice(0, 13)
    .replace(/^(.{5})2A/, '$119')
    .replace(/^(.{5})2B/, '$118');
  return /^\d{13}$/.test(body) && 97 - remainder(body, 97) === Number(id.slice(13));
}

const oddValues = '1 0 5 7 9 13 15 17 19 21 2 4 18 20 11 3 6 8 12 14 16 10 22 25 24 23'.split(' ').map(Number);

/** Italian codice fiscale: month, day and the check letter. Source: Decreto Ministeriale 23 December 1976. */
export function isCodiceFiscale(id: string): boolean {
  const month = 'ABCDEHLMPRST'.indexOf(id.charAt(8)) + 1;
  const day = Number(id.slice(9, 11));
  if (!isDay(Number(id.slice(6, 8)), month, day > 40 ? day - 40 : day)) return false;
  const sum = [...id.slice(0, 15)].reduce((total, character, place) => {
    const value = /\d/.test(character) ? Number(character) : character.charCodeAt(0) - 65;
    return total + (place % 2 === 0 ? (oddValues[value] ?? 0) : value);
  }, 0);
  return String.fromCharCode(65 + (sum % 26)) === id.charAt(15);
}

/** Swedish personnummer or samordningsnummer: day of birth (plus 60) and the Luhn digit. Source: SFS 1967:822. */
export function isPersonnummer(id: string): boolean {
  const short = id.slice(-10);
  const day = Number(short.slice(4, 6));
  const date = short.slice(0, 4) + String(day > 60 ? day - 60 : day).padStart(2, '0');
  return isShortDay(date) && isLuhn(short) && (id.length === 10 || /^(?:18|19|20)/.test(id));
}

/** Danish CPR number: a day of birth; check digits are given up since 2007. Source: CPR-kontoret. */
export function isCpr(id: string): boolean {
  return isDay(Number(id.slice(4, 6)), Number(id.slice(2, 4)), Number(id.slice(0, 2)));
}

/** Chinese resident identity number: day of birth and ISO 7064 mod 11-2. Source: GB 11643-1999. */
export function isResidentIdentity(id: string): boolean {
  const [year, month, day] = [Number(id.slice(6, 10)), Number(id.slice(10, 12)), Number(id.slice(12, 14))];
  if (year < 1850 || year > 2099 || !isDay(year, month, day) || !/^[1-9]\d{16}[\dX]$/.test(id)) return false;
  const sum = weigh(id.slice(0, 17), [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
  return '10X98765432'.charAt(sum % 11) === id.charAt(17);
}

/** Swiss AHV number: 756 and the check digit of EAN-13. Source: Swiss Federal Social Insurance Office. */
export function isAhv(id: string): boolean {
  const sum = weigh(id, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
  return id.startsWith('756') && (10 - (sum % 10)) % 10 === Number(id.slice(12));
}

/** Belgian national number: day of birth and 97 - n mod 97, with a 2 before for those born since 2000. Source: Royal Decree 3 April 1984. */
export function isRijksregister(id: string): boolean {
  const check = Number(id.slice(9));
  const body = id.slice(0, 9);
  if (!isShortDay(id) && id.slice(2, 6) !== '0000') return false;
  return 97 - remainder(body, 97) === check || 97 - remainder(`2${body}`, 97) === check;
}

/** Turkish identity number: two check digits. Source: NVI. */
export function isKimlik(id: string): boolean {
  const odd = weigh(id, [1, 0, 1, 0, 1, 0, 1, 0, 1]);
  const even = weigh(id, [0, 1, 0, 1, 0, 1, 0, 1]);
  const tenth = (((odd * 7 - even) % 10) + 10) % 10;
  const eleventh =
    weigh(
      id,
      Array.from({ length: 10 }, () => 1),
    ) % 10;
  return !id.startsWith('0') && tenth === Number(id.charAt(9)) && eleventh === Number(id.charAt(10));
}

/** Chilean RUT: modulus 11 with K for ten. Source: SII. */
export function isRut(id: string): boolean {
  const sum = digitsOf(id.slice(0, -1))
    .reverse()
    .reduce((total, digit, place) => total + digit * ((place % 6) + 2), 0);
  return '0K987654321'.charAt(sum % 11) === id.slice(-1);
}

/** Singapore NRIC and FIN: weighted sum and letter by series. Source: ICA, as commonly published. */
export function isNric(id: string): boolean {
  const series = id.charAt(0);
  const sum = weigh(id, [2, 7, 6, 5, 4, 3, 2]) + (series === 'T' || series === 'G' ? 4 : 0) + (series === 'M' ? 3 : 0);
  const letters: Readonly<Record<string, string>> = {
    S: 'JZIHGFEDCBA',
    T: 'JZIHGFEDCBA',
    F: 'XWUTRQPNMLK',
    G: 'XWUTRQPNMLK',
    M: 'XWUTRQPNJLK',
  };
  return letters[series]?.charAt(sum % 11) === id.charAt(8);
}

/** Mexican CURP: day of birth, sex and the check digit. Source: RENAPO, Instructivo normativo. */
export function isCurp(id: string): boolean {
  if (!/^[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d$/.test(id) || !isShortDay(id.slice(4))) return false;
  const sum = [...id.slice(0, 17)].reduce(
    (total, character, place) => total + '0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ'.indexOf(character) * (18 - place),
    0,
  );
  return (10 - (sum % 10)) % 10 === Number(id.charAt(17));
}

/** Romanian CNP: sex, day of birth and modulus 11. Source: Law 105/1996. */
export function isCnp(id: string): boolean {
  const check = weigh(id, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
  return /^[1-9]/.test(id) && isShortDay(id.slice(1)) && (check === 10 ? 1 : check) === Number(id.charAt(12));
}

/** Australian tax file number: modulus 11. Source: ATO. */
export function isTaxFileNumber(id: string): boolean {
  return weigh(id, [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 === 0 && !/^0+$/.test(id);
}

/** South African identity number: day of birth, citizenship and the Luhn digit. Source: Department of Home Affairs. */
export function isSouthAfrican(id: string): boolean {
  return isShortDay(id) && /^[012]$/.test(id.charAt(10)) && isLuhn(id);
}

/** Korean resident registration number: day of birth, sex and modulus 11 (numbers given since October 2020 have no check digit). Source: MOIS. */
export function isResidentRegistration(id: string): boolean {
  const check = (11 - (weigh(id, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11)) % 10;
  return isShortDay(id) && /^[1-8]$/.test(id.charAt(6)) && check === Number(id.charAt(12));
}
