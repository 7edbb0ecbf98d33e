import { isLuhn } from '../checksums.ts';
import { hasContext } from '../context.ts';
import type { Span } from '../detector.ts';
import { findShapes, makeShapes } from '../shapes.ts';
import type { View } from '../view.ts';

const grouped = [
  'D4 D4 D4 D4',
  'D4-D4-D4-D4',
  'D4.D4.D4.D4',
  'D4 D6 D5',
  'D4-D6-D5',
  'D4 D6 D4',
  'D4-D6-D4',
  'D4 D4 D4 D4 D3',
];
/** Lengths that other numbers have too (EAN, ids of 17 to 19 digits): they count beside a word of cards only. */
const ambiguous = new Set(['D13', 'D17', 'D18', 'D19']);
const shapes = makeShapes([...grouped, 'D14', 'D15', 'D16', ...ambiguous]);
const words = [
  'card',
  'visa',
  'mastercard',
  'amex',
  'maestro',
  'unionpay',
  'credit',
  'debit',
  'pan',
  'cc',
  'karte',
  'kreditkarte',
  'carte',
  'tarjeta',
  'carta',
  'cartão',
  'kaart',
  'карта',
  'карты',
  '卡号',
  '信用卡',
  'カード',
  '카드',
];

/** Issuer prefixes, as first and last, with the lengths they are issued in. Source: ISO/IEC 7812 ranges as the networks publish them. */
const issuers: readonly (readonly [first: string, last: string, lengths: readonly number[]])[] = [
  ['4', '4', [13, 16, 19]], // Visa
  ['51', '55', [16]], // Mastercard
  ['2221', '2720', [16]], // Mastercard
  ['34', '34', [15]], // American Express
  ['37', '37', [15]], // American Express
  ['300', '305', [14]], // Diners Club
  ['3095', '3095', [14]], // Diners Club
  ['36', '36', [14]], // Diners Club
  ['38', '39', [14, 16]], // Diners Club
  ['6011', '6011', [16, 17, 18, 19]], // Discover
  ['644', '659', [16, 17, 18, 19]], // Discover, RuPay
  ['3528', '3589', [16, 17, 18, 19]], // JCB
  ['62', '62', [16, 17, 18, 19]], // UnionPay
  ['81', '81', [16, 17, 18, 19]], // UnionPay, RuPay
  ['60', '60', [16]], // RuPay
  ['2200', '2204', [16, 17, 18, 19]], // Mir
  ['5018', '5018', [13, 14, 15, 16, 17, 18, 19]], // Maestro
  ['5020', '5020', [13, 14, 15, 16, 17, 18, 19]], // Maestro
  ['5038', '5038', [13, 14, 15, 16, 17, 18, 19]], // Maestro
  ['5893', '5893', [13, 14, 15, 16, 17, 18, 19]], // Maestro
  ['6304', '6304', [13, 14, 15, 16, 17, 18, 19]], // Maestro
  ['6759', '6763', [13, 14, 15, 16, 17, 18, 19]], // Maestro
  ['9792', '9792', [16]], // Troy
];

/** Payment card numbers: an issuer's prefix and length, groups as on cards, and the Luhn digit. */
export function findPaymentCards(view: View): Span[] {
  return findShapes(view, shapes).filter(
    (found) =>
      isIssued(found.letters) &&
      isLuhn(found.letters) &&
      (!ambiguous.has(found.shape) || hasContext(view, found, words)),
  );
}

function isIssued(digits: string): boolean {
  return issuers.some(([first, last, lengths]) => {
    const prefix = digits.slice(0, first.length);
    return prefix >= first && prefix <= last && lengths.includes(digits.length);
  });
}
