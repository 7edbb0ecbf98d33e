import fc from 'fast-check';
import { type CountryCode, getCountryCallingCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import t from 'tap';
import { detect } from '../index.ts';
import { isInternational, isNationalIn } from './phone-plans.ts';
import { nationalForms } from './phone-words.ts';

/** Numbers that reach another country by its prefix for dialling abroad are not national. */
const isValid = (text: string, country?: CountryCode): boolean => {
  if (country === undefined) return parsePhoneNumberFromString(text, { extract: false })?.isValid() ?? false;
  const parsed = parsePhoneNumberFromString(text, { defaultCountry: country, extract: false });
  return parsed?.countryCallingCode === getCountryCallingCode(country) && parsed.isValid();
};

const digits = (fewest: number, most: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: fewest, maxLength: most }).map((list) => list.join(''));

t.test('every number that libphonenumber finds valid is a number here, in international form', async (t) => {
  let valid = 0;
  const codes = ['1', '7', '39', '44', '49', '54', '55', '225', '351', '383', '44', '590', '800', '878', '979', '999'];
  fc.assert(
    fc.property(fc.constantFrom(...codes), digits(5, 12), (code, rest) => {
      if (!isValid(`+${code}${rest}`)) return true;
      valid += 1;
      return isInternational(code + rest);
    }),
    { numRuns: 5_000 },
  );
  t.ok(valid > 100, `${valid} were valid`);
});

t.test('every number that libphonenumber finds valid is a number here, as a country dials it', async (t) => {
  let valid = 0;
  fc.assert(
    fc.property(fc.constantFrom(...nationalForms), digits(7, 13), ({ country }, number) => {
      if (!isValid(number, country)) return true;
      valid += 1;
      return isNationalIn(country, number);
    }),
    { numRuns: 5_000 },
  );
  t.ok(valid > 100, `${valid} were valid`);
});

t.test('numbers one behind the other are all found, and a word makes those near it numbers', async (t) => {
  const list = '+1 415 555 2671, +49 30 901820; (415) 555-2671\n1-800-356-9377 '.repeat(20);
  t.equal(detect(list, ['phone']).length, 80);
  t.equal(detect('tel: 020 7946 0958', ['phone']).length, 1);
  t.equal(detect(`tel:${' '.repeat(60)}020 7946 0958`, ['phone']).length, 0);
  t.equal(detect('telco: 020 7946 0958', ['phone']).length, 0);
});
