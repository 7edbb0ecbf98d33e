import { RE2JS } from 're2js';
import { findPlaces, isAlphanumeric } from '../characters.ts';
import type { Span } from '../detector.ts';
import type { View } from '../view.ts';
import { compileRules } from './secret-rule.ts';

/** How long a block may be: an RSA key of 16,384 bits has about 12,500 characters. */
const longestBlock = 16_384;
/** Fewest characters of base64 in a block that is more than a mention of its header. */
const fewestBody = 60;
/** The same in a file of PuTTY, whose keys stand without what a block repeats: 48 for Ed25519. */
const fewestPutty = 40;
/** A word of a body that is shorter is no line of base64, but the last one or a checksum, of which there are two at most. */
const shortestLine = 40;
const mostShort = 2;
/** Header lines of RFC 7468, RFC 4716 (SSH2) and RFC 9580 (OpenPGP). */
const header = RE2JS.compile('-{4,5} ?BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)? ?-{4,5}');
const footer = RE2JS.compile('-{4,5} ?END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)? ?-{4,5}');
const longestHeader = 96;

/** Keys that are no blocks. Sources: age's and WireGuard's documents, RFC 7517 (JWK), BIP 32, PuTTY's file format. */
const byForm = compileRules([
  { name: 'age', literals: ['AGE-SECRET-KEY-1'], form: 'AGE-SECRET-KEY-1[A-Z0-9]{58}', plain: true },
  { name: 'WireGuard', literals: ['PrivateKey'], form: `PrivateKey\\s{0,3}=\\s{0,3}([A-Za-z0-9+/]{43}=)` },
  { name: 'JWK', literals: ['"d"'], form: `"d"\\s{0,3}:\\s{0,3}"([A-Za-z0-9_-]{40,700})"` },
  { name: 'BIP 32', literals: ['xprv'], form: 'xprv[1-9A-HJ-NP-Za-km-z]{100,112}' },
  {
    name: 'assigned',
    literals: ['private_key', 'private key', 'privatekey'],
    words: true,
    form: `private[_ ]?key["']?\\s{0,3}[:=]\\s{0,3}["']?((?:0x)?[0-9a-f]{64})`,
  },
]);

/** Private keys: blocks of PEM, OpenSSH, SSH2, OpenPGP and PuTTY with a body, cut ones too, and some forms of one line. */
export function findPrivateKeys(view: View): Span[] {
  const blocks = [...findPlaces(view.text, 'BEGIN ')].map((at) => readBlock(view.text, at));
  const files = [...findPlaces(view.text, 'PuTTY-User-Key-File-')];
  const putty = files.map((at, place) =>
    readPutty(view.text, { start: at, end: files[place + 1] ?? view.text.length }),
  );
  return [...blocks, ...putty].filter((span) => span !== null).concat(byForm(view));
}

function readBlock(text: string, at: number): Span | null {
  const start = [at - 5, at - 6, at - 4].find(
    (place) => place >= 0 && header.matcher(text.slice(place, at + longestHeader)).lookingAt(),
  );
  if (start === undefined) return null;
  const begin = header.matcher(text.slice(start, at + longestHeader));
  if (!begin.lookingAt()) return null;
  const from = start + begin.end();
  const body = readBody(text, from);
  if (body.letters < fewestBody) return null;
  const end = footer.matcher(text.slice(body.end, body.end + longestHeader));
  return { start, end: end.lookingAt() ? body.end + end.end() : body.end };
}

/**
 * The body of a block: words of base64 and header lines, up to five hyphens. Words as long as lines of base64 make it; once one was
 * seen, a blank line ends it, and so does a word that is too short for a line and stands behind no line break.
 */
function readBody(text: string, from: number): { end: number; letters: number } {
  let [letters, end, breaks, short] = [0, from, 0, 0];
  const latest = Math.min(text.length, from + longestBlock);
  for (let at = from; at < latest; ) {
    const word = readWord(text, at, latest);
    if (word === at) {
      const gap = gapAt(text, at);
      if (gap === 0) return { end: text.startsWith('----', at) && letters > 0 ? at : end, letters };
      breaks += isBreak(text, at) ? 1 : 0;
      at += gap;
      continue;
    }
    const isShort = word - at < shortestLine || text.slice(at, word).includes(',');
    short += isShort && letters > 0 ? 1 : 0;
    if (letters > 0 && (breaks > 1 || (isShort && breaks === 0) || short > mostShort)) break;
    letters += isShort && letters === 0 ? 0 : word - at;
    [end, breaks, at] = [word, 0, word];
  }
  return { end, letters };
}

function readWord(text: string, from: number, latest: number): number {
  let end = from;
  while (end < latest && isBody(text, end)) end += 1;
  return end;
}

/** Characters of base64 and of header lines; a single hyphen too, but not the five that end a block. */
function isBody(text: string, at: number): boolean {
  const unit = text.charAt(at);
  return isAlphanumeric(text, at) || '+/=:,.'.includes(unit || ' ') || (unit === '-' && !text.startsWith('----', at));
}

/** Length of what stands between two words of a body: white space, an escaped line break, a quotation mark; 0 for anything else. */
function gapAt(text: string, at: number): number {
  if (text.startsWith('\\n', at) || text.startsWith('\\r', at)) return 2;
  const unit = text.charAt(at);
  return unit !== '' && ' \t\r\n>\\'.includes(unit) ? 1 : 0;
}

function isBreak(text: string, at: number): boolean {
  return text.charAt(at) === '\n' || text.startsWith('\\n', at);
}

/** A file of PuTTY, which ends where the next begins. */
function readPutty(text: string, file: Span): Span | null {
  const part = text.slice(file.start, Math.min(file.end, file.start + longestBlock));
  const lines = part.indexOf('Private-Lines:');
  if (lines === -1) return null;
  const body = readBody(text, file.start + lines + 'Private-Lines:'.length);
  return body.letters < fewestPutty ? null : { start: file.start, end: body.end };
}
