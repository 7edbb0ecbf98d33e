import { answerSlot, boundText, idsSlot, type TextSlots } from './delta-text.ts';
import { isObject } from './json-fields.ts';
import { RepeatedTexts } from './repeated-text.ts';

/**
 * Tokens that the text of a whole answer cannot exceed: the UTF-8 bytes of all string members that `slots` names, at any
 * depth, those of `json` members as the JSON text a model writes, and one for each object. Takes no recursion, so that a
 * nested answer cannot break it.
 */
export function boundOutputText(answer: unknown, slots: TextSlots, json: ReadonlySet<string>): number {
  const repeated = new RepeatedTexts();
  const open: unknown[] = [answer];
  let tokens = 0;
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (Array.isArray(value)) for (const element of value) open.push(element);
    if (!isObject(value)) continue;
    tokens++;
    for (const [name, member] of Object.entries(value)) {
      const slot = slots.get(name);
      if (json.has(name) && typeof member === 'object') tokens += measureJson(member).bytes;
      else if (typeof member !== 'string') open.push(member ?? null);
      else if (slot !== undefined && counts(repeated, slot, member))
        tokens += boundText(slot, Buffer.byteLength(member));
    }
  }
  return tokens;
}

/** Length of a value's compact JSON text, in UTF-16 units and in UTF-8 bytes, for values nested however deep. */
export function measureJson(root: unknown): { units: number; bytes: number } {
  const open: unknown[] = [root];
  let units = 0;
  let bytes = 0;
  const add = (text: string) => {
    units += text.length;
    bytes += Buffer.byteLength(text);
  };
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) {
      add(JSON.stringify(value));
      continue;
    }
    const members = Array.isArray(value) ? value : Object.entries(value);
    const punctuation = 2 + Math.max(0, members.length - 1) + (members === value ? 0 : members.length);
    units += punctuation;
    bytes += punctuation;
    for (const member of members) {
      if (members === value) open.push(member);
      else {
        add(JSON.stringify(member[0]));
        open.push(member[1]);
      }
    }
  }
  return { units, bytes };
}

function counts(repeated: RepeatedTexts, slot: number, text: string): boolean {
  return slot === answerSlot || slot >= idsSlot || repeated.isNew(slot, text);
}
