import { idsSlot } from '../delta-text.ts';
import { isObject, parseJson } from '../json-fields.ts';
import { decodeString, findMember, findOpening, type JsonRange } from '../json-members.ts';
import { walkStrings } from '../json-walk.ts';
import { KeptText } from '../stream-text.ts';
import { messageTextSlots } from './text-slots.ts';
import { readToolUse } from './texts.ts';

const passedOver: ReadonlySet<string | number> = new Set(['citation', 'citations', 'input']);

/** Keeps the text of a message stream. Each content block is a channel; they come one after another. */
export class MessageStreamText {
  readonly text = new KeptText(messageTextSlots);
  #block = 0;
  #isFramed = false;
  #only = -1;

  /** Adds a `content_block_delta` that stands in the remembered frame, and whose text the counter found. */
  addFramed(data: string, found: JsonRange, from: number): void {
    if (!this.#isFramed) {
      this.addDelta(data, from);
      return;
    }
    this.text.add(`${this.#block}`, decodeString(data, found.start - 1, found.end + 1));
    this.text.endEvent(from);
  }

  /** Adds any other `content_block_delta`. What it cites is no text of the answer. */
  addDelta(data: string, from: number): void {
    this.#addMember(data, 'delta', from);
    this.text.endEvent(from);
  }

  /** A content block begins; some servers send its text or the input of its tool with this event. */
  beginBlock(data: string, from: number): void {
    this.#block++;
    const event = this.#addMember(data, 'content_block', from);
    const block = isObject(event) ? event.content_block : undefined;
    const tool = readToolUse(block);
    if (tool !== null && isObject(block)) {
      this.text.addCall(Buffer.from(tool, 'latin1').toString('utf8'));
      if (isObject(block.input) && Object.keys(block.input).length > 0) this.#addInput(data);
    }
    this.text.endEvent(from);
  }

  /** Adds the input of a tool that came whole, as the JSON text that other servers send in pieces. */
  #addInput(data: string): void {
    const block = findMember(data, findOpening(data), 'content_block');
    const input = block === null ? null : findMember(data, block.start, 'input');
    if (input === null) return;
    this.text.add(`${this.#block}`, Buffer.from(data.slice(input.start, input.end), 'latin1').toString('utf8'));
  }

  /** The counter has remembered the frame of the delta just added, around the text that it found. */
  rememberFrame(found: JsonRange): void {
    this.#isFramed = this.#only === found.start - 1;
  }

  /** Adds the texts of one member of an event; returns the event as it was parsed. */
  #addMember(data: string, member: 'delta' | 'content_block', from: number): unknown {
    this.#only = -1;
    const event = parseJson(data);
    if (event === undefined) this.text.addBroken(data, from);
    if (!isObject(event)) return undefined;
    const place = findMember(data, findOpening(data), member);
    if (place === null) return event;
    let visits = 0;
    walkStrings(
      data,
      { start: place.start, value: event[member], place: true },
      {
        enter: (_place, name) => (passedOver.has(name) ? null : true),
        visit: (_place, name, literal) => {
          const slot = messageTextSlots.get(`${name}`);
          if (slot === undefined || slot >= idsSlot) return;
          visits++;
          this.#only = literal.start;
          this.text.add(`${this.#block}`, decodeString(data, literal.start, literal.end));
        },
      },
    );
    if (visits !== 1) this.#only = -1;
    return event;
  }
}
