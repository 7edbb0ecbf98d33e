const nanoDigits = 9;

/**
 * Reads US dollars written as a decimal into nano-USD, exactly and without a float: "0.25" is 250000000n.
 *
 * Null for anything that is not digits with at most nine decimals.
 */
export function parseUsd(text: string): bigint | null {
  const [, whole, fraction] = /^([0-9]{1,10})(?:[.]([0-9]{1,9}))?$/.exec(text) ?? [];
  if (whole === undefined) return null;
  return BigInt(whole + (fraction ?? '').padEnd(nanoDigits, '0'));
}

/**
 * Reads a date or an RFC 3339 instant into Unix ms; a date is its first moment in UTC. Null for one that does not exist,
 * e.g. a 30th of February, or an instant without a zone.
 */
export function parseInstant(text: string): number | null {
  const date = /^(\d{4})-(\d{2})-(\d{2})/.exec(text);
  if (date === null) return null;
  if (text.length > 10 && !/(Z|[+-]\d{2}:\d{2})$/.test(text)) return null;
  const [, year, month, day] = date;
  const exists = new Date(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(exists.getTime()) || exists.getUTCDate() !== Number(day)) return null;
  const instant = Date.parse(text);
  return Number.isNaN(instant) ? null : instant;
}
