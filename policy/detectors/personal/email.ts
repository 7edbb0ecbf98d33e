import { findPlaces, isAlphanumeric, isLetter, isMarkEdge } from '../characters.ts';
import type { Span } from '../detector.ts';
import type { View } from '../view.ts';

/** Longest local part and domain. Source: RFC 5321, 4.5.3.1. */
const longestLocal = 64;
const longestDomain = 255;
/** Characters of an atom beside letters and digits. Source: RFC 5322, 3.2.3, with the dot between atoms. */
const localMarks = "!#$%&'*+-/=?^_`{|}~.";
/** Marks that surround an address more often than they begin one. */
const leadingMarks = '\'"`*|=/%{}?&#!$~^.-+';
/** Endings of files that are no top-level domains. */
const fileEndings = new Set(
  'png jpg jpeg gif svg webp ico css js ts tsx jsx json html htm xml yml yaml toml txt csv log lock exe dll jar bak tmp shape reshape'.split(
    ' ',
  ),
);
/** What stands before an id of a message, in headers of mails. */
const messageIds = ['message-id:', 'in-reply-to:', 'references:'];

/**
 * E-mail addresses: local part and domain by the lengths and characters of RFC 5321 and 5322 (quoted local parts and address
 * literals apart), letters of Latin, Greek and Cyrillic too (RFC 6531). Left out: user information of URLs, remotes such
 * as `git@host:path`, handles with two at signs, names of files, calls, and ids of messages.
 */
export function findEmails(view: View): Span[] {
  const found: Span[] = [];
  for (const at of findPlaces(view.text, '@')) {
    const start = readLocal(view.text, at);
    const end = readDomain(view.text, at + 1);
    if (start < at && end > at + 1 && !isOtherUse(view, { start, end })) found.push({ start, end });
  }
  return found;
}

function readLocal(text: string, at: number): number {
  let start = at;
  const earliest = Math.max(0, at - longestLocal);
  while (start > earliest && (isNameLetter(text, start - 1) || localMarks.includes(text.charAt(start - 1)))) start -= 1;
  const written = text.slice(start, at);
  start += Math.max(written.lastIndexOf('='), written.lastIndexOf('?'), written.lastIndexOf('&')) + 1;
  // Behind another address only a slash parts the two: what stands before it belongs to the first.
  if (text.charAt(start - 1) === '@') start += text.slice(start, at).lastIndexOf('/') + 1;
  while (start < at && leadingMarks.includes(text.charAt(start))) start += 1;
  const local = text.slice(start, at);
  return local.includes('..') || local.endsWith('.') ? at : start;
}

function readDomain(text: string, from: number): number {
  let end = from;
  const latest = Math.min(text.length, from + longestDomain);
  while (end < latest && (isNameLetter(text, end) || '-.'.includes(text.charAt(end)))) end += 1;
  while (end > from && '-.'.includes(text.charAt(end - 1))) end -= 1;
  const labels = text.slice(from, end).split('.');
  const top = labels.at(-1) ?? '';
  const good = labels.every(
    (label) => label !== '' && label.length <= 63 && !label.startsWith('-') && !label.endsWith('-'),
  );
  return good && labels.length > 1 && isTopLevel(top) ? end : from;
}

/** Two letters or more, or an encoded name; endings of files are none. */
function isTopLevel(label: string): boolean {
  if (label.toLowerCase().startsWith('xn--')) return true;
  const lettersOnly = [...label].every((_, i) => isNameLetter(label, i) && !/[0-9]/.test(label.charAt(i)));
  return lettersOnly && label.length >= 2 && label.length <= 24 && !fileEndings.has(label.toLowerCase());
}

function isNameLetter(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  if (unit < 0x80) return isAlphanumeric(text, at);
  return (unit >= 0xc0 && unit <= 0x24f) || (unit >= 0x370 && unit <= 0x52f);
}

function isOtherUse({ text, lower }: View, { start, end }: Span): boolean {
  const next = text.charAt(end);
  if (
    next === '(' ||
    (next === ':' &&
      (isLetter(text, end + 1) || isMarkEdge(text, end + 1) || '/~'.includes(text.charAt(end + 1) || ' ')))
  )
    return true;
  const head = text.slice(Math.max(0, start - 80), start);
  if (head.endsWith('@') || isUserInformation(head)) return true;
  const line = lower.slice(Math.max(0, start - 40), start);
  return messageIds.some((name) => line.includes(name));
}

/** Whether what follows `head` belongs to the authority of a URL: behind `://` and before any slash. */
function isUserInformation(head: string): boolean {
  const scheme = head.lastIndexOf('://');
  return scheme !== -1 && !/[\s/?#"]/.test(head.slice(scheme + 3));
}
