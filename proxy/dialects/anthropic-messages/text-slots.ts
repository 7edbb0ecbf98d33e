import { idsSlot, namesSlot, type TextSlots } from '../delta-text.ts';

/** Text of a message: slot 0 is all of it, thinking too. */
export const messageTextSlots: TextSlots = new Map([
  ['text', 0],
  ['thinking', 0],
  ['partial_json', 0],
  ['name', namesSlot],
  ['id', idsSlot],
]);
