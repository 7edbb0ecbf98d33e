import { idsSlot, namesSlot, type TextSlots } from '../delta-text.ts';

/** Slot 0 is the answer; of slots 1 to 3 only the largest counts, as providers send reasoning under several names. */
export const chatTextSlots: TextSlots = new Map([
  ['content', 0],
  ['refusal', 0],
  ['arguments', 0],
  ['input', 0],
  ['transcript', 0],
  ['reasoning', 1],
  ['reasoning_content', 2],
  ['text', 3],
  ['name', namesSlot],
  ['id', idsSlot],
]);
