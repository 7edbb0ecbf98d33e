import { findStringEnd, hasMember, skipSpace } from '../delta-text.ts';
import type { UsageFilter } from '../dialect.ts';
import { isObject, parseJson, viewBytes } from '../json-fields.ts';
import { maxEventBytes } from '../sse.ts';

const quotedName = '"usage"';

/**
 * Takes out of a chat stream what `include_usage` adds: the chunk without choices that carries the usage, and the member
 * `"usage":null` of every other chunk. All other bytes pass as they are; an event is held until its blank line.
 */
export function openChatUsageFilter(): UsageFilter {
  let held = '';
  let searched = 0;
  let passing = false;
  let dropLineFeed = false;

  const takeEvent = (end: number): string => {
    const event = held.slice(0, end);
    held = held.slice(end);
    searched = 0;
    const kept = passing ? event : filterEvent(event);
    passing = false;
    dropLineFeed = kept === '' && event.endsWith('\r');
    return kept;
  };

  return {
    push(chunk) {
      held += viewBytes(chunk).toString('latin1');
      let released = '';
      for (;;) {
        if (dropLineFeed && held !== '') {
          if (held.startsWith('\n')) held = held.slice(1);
          dropLineFeed = false;
        }
        const end = findEventEnd(held, searched);
        if (end < 0) break;
        released += takeEvent(end);
      }
      // Three characters may yet become part of a blank line (CR LF CR LF), so the next search starts before them.
      searched = Math.max(0, held.length - 3);
      if (passing || held.length > maxEventBytes) {
        released += held.slice(0, searched);
        held = held.slice(searched);
        searched = 0;
        passing = true;
      }
      return Buffer.from(released, 'latin1');
    },
    end() {
      const rest = passing ? held : filterEvent(held);
      held = '';
      return Buffer.from(rest, 'latin1');
    },
  };
}

const blankLine = /\r\n\r\n|\r\n\n|\n\r\n|\n\n|\r\r\n|\r\r/g;

function findEventEnd(text: string, from: number): number {
  blankLine.lastIndex = from;
  return blankLine.test(text) ? blankLine.lastIndex : -1;
}

function filterEvent(event: string): string {
  if (!event.includes(quotedName)) return event;
  const start = /(?:^|[\r\n])data: ?(?=\{)/.exec(event);
  if (start === null) return event;
  const dataStart = start.index + start[0].length;
  if (hasMember(event, quotedName) && isUsageChunk(event.slice(dataStart))) return '';
  return removeNullUsage(event, dataStart);
}

function isUsageChunk(data: string): boolean {
  const chunk = parseJson(data);
  return isObject(chunk) && Array.isArray(chunk.choices) && chunk.choices.length === 0 && isObject(chunk.usage);
}

/** Removes a top-level `"usage":null` with one of its commas; `start` is the offset of the object's opening brace. */
function removeNullUsage(event: string, start: number): string {
  let depth = 0;
  for (let at = start; at < event.length; at++) {
    const unit = event.charCodeAt(at);
    if (unit === 0x7b || unit === 0x5b) depth++;
    else if (unit === 0x7d || unit === 0x5d) depth--;
    else if (unit === 0x22) {
      const end = findStringEnd(event, at + 1);
      if (end < 0) return event;
      const colon = skipSpace(event, end + 1);
      const value = skipSpace(event, colon + 1);
      const isUsage = depth === 1 && event.slice(at, end + 1) === quotedName && event.charCodeAt(colon) === 0x3a;
      if (isUsage) return event.startsWith('null', value) ? cutMember(event, at, value + 4) : event;
      at = end;
    }
  }
  return event;
}

function cutMember(event: string, start: number, end: number): string {
  const before = event.slice(0, start).trimEnd();
  if (before.endsWith(',')) return before.slice(0, -1) + event.slice(end);
  if (!before.endsWith('{')) return event;
  const next = skipSpace(event, end);
  return event.slice(0, start) + event.slice(event.charCodeAt(next) === 0x2c ? skipSpace(event, next + 1) : end);
}
