/** How a country writes its numbers without the country code: the digits they begin with, and how many they have. */
export interface NationalForm {
  /** ISO 3166-1. */
  country: Country;
  begins: string;
  fewest: number;
  most: number;
}

type Country =
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
