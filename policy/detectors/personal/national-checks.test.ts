import fc from 'fast-check';
import t from 'tap';
import validator from 'validator';
import { isLuhn } from '../checksums.ts';
import { ibanCountries } from './iban.ts';
import { isAhv, isCodiceFiscale, isResidentIdentity } from './national-checks.ts';

const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`));
const lastOf = (alphabet: string) => [...alphabet];

t.test('our check digits are those of the library where it has them', async (t) => {
  fc.assert(fc.property(digits(16), (number) => isLuhn(number) === validator.isLuhnNumber(number)));
  fc.assert(
    fc.property(digits(9), (tail) =>
      lastOf('0123456789').every((check) => isAhv(`756${tail}${check}`) === validator.isEAN(`756${tail}${check}`)),
    ),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1950, max: 2020 }),
      fc.integer({ min: 1, max: 12 }),
      digits(3),
      (year, month, serial) => {
        const body = `110105${year}${String(month).padStart(2, '0')}17${serial}`;
        return lastOf('0123456789X').every(
          (check) => isResidentIdentity(body + check) === validator.isIdentityCard(body + check, 'zh-CN'),
        );
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 99 }),
      fc.constantFrom(...'ABCDEHLMPRST'),
      digits(3),
      (year, month, place) => {
        const body = `RSSMRA${year}${month}12F${place}`;
        const ours = lastOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ').filter((check) => isCodiceFiscale(body + check));
        const theirs = lastOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ').filter((check) => validator.isTaxID(body + check, 'it-IT'));
        return ours.join('') === theirs.join('');
      },
    ),
  );
  t.end();
});

t.test('every country whose IBANs have a length here has its structure in the library', async (t) => {
  for (const country of ibanCountries) {
    t.doesNotThrow(() => validator.isIBAN('DE89370400440532013000', { whitelist: [country as validator.IBANLocale] }));
    t.equal(
      validator.isIBAN('DE89370400440532013000', { whitelist: [country as validator.IBANLocale] }),
      country === 'DE',
      country,
    );
  }
});
