import ip from 'validator/lib/isIP.js';
import { isDigit, isWord } from '../characters.ts';
import type { Span } from '../detector.ts';
import type { View } from '../view.ts';

/** Longest text of an address: IPv6 with an IPv4 tail. */
const longest = 45;
/** Words before a number of four parts that make it a version, a section or an object id. */
const versionWords =
  /(?:version|firmware|(?:^|[^a-z])(?:ver|release|rev|build|section|sect|chapter|oid|item|kernel|pkg))["':=(\s.]{0,4}$|(?:§|==)\s?$/;

/**
 * IP addresses in text form (RFC 791, RFC 4291, RFC 5952). Private, shared, link-local and documentation ranges count: they tell of
 * somebody's network too. Left out, as no one is found by them: unspecified and loopback addresses, netmasks, and what is a
 * version, an object id, a section number or a fingerprint.
 */
export function findIpAddresses(view: View): Span[] {
  const found: Span[] = [];
  let last = 0;
  for (let at = nextMark(view.text, 0); at !== -1; at = nextMark(view.text, last)) {
    let [start, end] = [at, at];
    while (start > last && isAddressUnit(view.text, start - 1)) start -= 1;
    while (isAddressUnit(view.text, end)) end += 1;
    const span = trim(view.text, { start, end });
    if (span.end - span.start <= longest && isAddress(view, span)) found.push(span);
    last = end;
  }
  return found;
}

/** The next dot or colon that touches a digit or a letter of an address; most of a text has none. */
function nextMark(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if ((unit === 0x2e || unit === 0x3a) && isAddressUnit(text, at + 1)) return at;
  }
  return -1;
}

/** Hexadecimal digits, dots and colons; the zone behind `%` is no part of the address. */
function isAddressUnit(text: string, at: number): boolean {
  if (isDigit(text, at)) return true;
  const unit = text.charCodeAt(at);
  return unit === 0x2e || unit === 0x3a || ((unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x66);
}

/** Without punctuation at its ends and without the port behind an IPv4 address. */
function trim(text: string, { start, end }: Span): Span {
  let [from, to] = [start, end];
  while (from < to && (text.charAt(from) === '.' || (text.charAt(from) === ':' && text.charAt(from + 1) !== ':')))
    from += 1;
  while (to > from && (text.charAt(to - 1) === '.' || (text.charAt(to - 1) === ':' && text.charAt(to - 2) !== ':')))
    to -= 1;
  return withoutPort(text.slice(from, to), from);
}

/** One colon beside a dotted address parts it from a port or a name: `10.0.0.1:80`, `ip4:10.0.0.1`. */
function withoutPort(candidate: string, from: number): Span {
  const colon = candidate.indexOf(':');
  const whole = { start: from, end: from + candidate.length };
  if (colon === -1 || candidate.includes(':', colon + 1)) return whole;
  if (candidate.slice(0, colon).includes('.')) return { start: from, end: from + colon };
  return candidate.slice(colon + 1).includes('.') ? { start: from + colon + 1, end: whole.end } : whole;
}

function isAddress(view: View, span: Span): boolean {
  const { text } = view;
  const candidate = text.slice(span.start, span.end);
  if (isWord(text, span.start - 1) || isWord(text, span.end)) return false;
  if (candidate.includes(':')) return ip.default(candidate, 6) && isAllocated(candidate);
  return ip.default(candidate, 4) && !isNobody(candidate) && !isVersion(view, span);
}

/** Global unicast, unique local, link-local, multicast, NAT64 and mapped IPv4. Source: IANA IPv6 address space registry. */
function isAllocated(address: string): boolean {
  const lower = address.toLowerCase();
  if (/^::ffff:[0-9.]+$/.test(lower) || lower.startsWith('64:ff9b::')) return true;
  const first = Number.parseInt(lower.split(':')[0] ?? '', 16);
  return (
    (first >= 0x2000 && first <= 0x3fff) || (first >= 0xfc00 && first <= 0xffff && !(first >= 0xfec0 && first < 0xff00))
  );
}

/** Unspecified (0/8), loopback (127/8), broadcast and netmasks. */
function isNobody(address: string): boolean {
  const octets = address.split('.').map(Number);
  if (octets[0] === 0 || octets[0] === 127) return true;
  const bits = octets.map((octet) => octet.toString(2).padStart(8, '0')).join('');
  return /^1{8,}0*$/.test(bits);
}

function isVersion({ text, lower }: View, { start, end }: Span): boolean {
  const previous = text.charAt(start - 1);
  if ('-+.'.includes(previous || ' ') && isWord(text, start - 2)) return true;
  if (previous === '/' && isWord(text, start - 2)) return true;
  const next = text.charAt(end);
  if ((next === '-' || next === '.') && isWord(text, end + 1)) return true;
  return versionWords.test(lower.slice(Math.max(0, start - 16), start));
}
