/** The digits of a text as numbers; other characters are passed over. */
export function digitsOf(text: string): number[] {
  return [...text].filter((character) => character >= '0' && character <= '9').map(Number);
}

/** Whether the last digit is the check digit of ISO/IEC 7812-1 annex B (Luhn). */
export function isLuhn(digits: string): boolean {
  const sum = digitsOf(digits)
    .reverse()
    .reduce((total, digit, place) => total + (place % 2 === 0 ? digit : doubled(digit)), 0);
  return sum % 10 === 0;
}

function doubled(digit: number): number {
  return digit > 4 ? digit * 2 - 9 : digit * 2;
}

/** The sum of the first digits, each times its weight. */
export function weigh(digits: string, weights: readonly number[]): number {
  const numbers = digitsOf(digits);
  return weights.reduce((sum, weight, place) => sum + weight * (numbers[place] ?? 0), 0);
}

/** The remainder of a long number of decimal digits. */
export function remainder(digits: string, divisor: number): number {
  return digitsOf(digits).reduce((rest, digit) => (rest * 10 + digit) % divisor, 0);
}

/** Whether a day of the calendar has this year, month and day; a year of two digits is taken with either century. */
export function isDay(year: number, month: number, day: number): boolean {
  const leap = year < 100 ? year % 4 === 0 : (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return day >= 1 && day <= days;
}

/** Whether six digits are a day as year, month, day of two digits each. */
export function isShortDay(digits: string): boolean {
  return isDay(Number(digits.slice(0, 2)), Number(digits.slice(2, 4)), Number(digits.slice(4, 6)));
}
