import { idsSlot } from '../delta-text.ts';
import { mediaNames } from '../encoded-text.ts';
import { isObject, type JsonObject, parseJson, readCount } from '../json-fields.ts';
import { decodeString, findOpening, type JsonRange } from '../json-members.ts';
import { walkStrings } from '../json-walk.ts';
import { KeptText, type NamedEvent } from '../stream-text.ts';
import { messageTextSlots } from './text-slots.ts';
import { readToolUse } from './texts.ts';

/** Where a walk over an event is: in the event, in what holds content, or in a block of it. */
interface EventPlace {
  at: 'event' | 'message' | 'blocks' | 'block';
  index: number;
  isMedia: boolean;
  /** Within what the answer cites, where other names are used. */
  isCited: boolean;
}

/** Keeps the text of a message stream. Each content block is a text of its own; they come one after another. */
export class MessageStreamText {
  readonly text = new KeptText(messageTextSlots);
  /** The text that events in the counter's frame go on with; null where that is none, or not the only one of an event. */
  #frame: { channel: string; isArguments: boolean } | null = null;
  #only: { channel: string; isArguments: boolean; start: number } | null = null;

  /** Adds an event that stands in the remembered frame, and whose text the counter found. */
  addFramed({ name, data, from }: NamedEvent, found: JsonRange): void {
    const isNamed = name === '' || name === 'content_block_delta';
    // The frame says nothing of what stands behind the text.
    if (this.#frame === null || !isNamed || !/^[\s}]*$/.test(data.slice(found.end + 1))) {
      this.addEvent(name, data, from);
      return;
    }
    this.#add(this.#frame, decodeString(data, found.start - 1, found.end + 1));
    this.text.endEvent(from);
  }

  /**
   * Adds any other event: all texts of its content, whatever its type. An event under another name than its type is read one
   * way by some clients and another way by others.
   */
  addEvent(name: string, data: string, from: number): void {
    this.#only = null;
    const event = parseJson(data);
    if (!isObject(event)) {
      if (data.includes('{')) this.text.addBroken(data, from);
      else if (data.trim() !== '') this.text.addUnread(data, from);
      return;
    }
    if (name !== '' && typeof event.type === 'string' && event.type !== name) this.text.incomplete = true;
    this.#readCalls(event);
    this.#readTexts(event, data);
    this.text.endEvent(from);
  }

  /** The counter has remembered the frame of the delta just added, around the text that it found. */
  rememberFrame(found: JsonRange): void {
    this.#frame = this.#only !== null && this.#only.start === found.start - 1 ? this.#only : null;
  }

  #readTexts(event: JsonObject, data: string): void {
    const index = readCount(event.index) ?? 0;
    let visits = 0;
    const root: EventPlace = { at: 'event', index, isMedia: false, isCited: false };
    walkStrings<EventPlace>(
      data,
      { start: findOpening(data), value: event, place: root },
      {
        enter: (place, name, { value }) => {
          if (place.at !== 'block' || name !== 'input' || !isObject(value)) return enterEvent(place, name);
          if (Object.keys(value).length > 0) this.#addInput(place.index, value);
          return null;
        },
        visit: (place, name, { start, end, holder }) => {
          const text = decodeString(data, start, end);
          const slot = messageTextSlots.get(`${name}`);
          if (place.isCited || slot === undefined || slot >= idsSlot) {
            if (this.text.addValue(`${place.index}`, name, { text, holder, isMedia: place.isMedia })) visits++;
            return;
          }
          visits++;
          this.#only = { channel: `${place.index}/${name}`, isArguments: name === 'partial_json', start };
          this.#add(this.#only, text);
        },
      },
    );
    if (visits !== 1) this.#only = null;
  }

  #add({ channel, isArguments }: { channel: string; isArguments: boolean }, text: string): void {
    if (isArguments) this.text.addArguments(channel, text);
    else this.text.add(channel, text);
  }

  /** Adds the input of a tool that came whole, as the JSON text that other servers send in pieces. */
  #addInput(index: number, input: JsonObject): void {
    this.text.addArguments(`${index}/partial_json`, Buffer.from(JSON.stringify(input), 'latin1').toString('utf8'));
  }

  /** A block that begins may call a tool; so may those of a message that comes with its beginning. */
  #readCalls(event: JsonObject): void {
    const blocks = isObject(event.message) && Array.isArray(event.message.content) ? event.message.content : [];
    for (const block of [event.content_block, ...blocks]) {
      const tool = readToolUse(block);
      if (tool !== null) this.text.addCall(Buffer.from(tool, 'latin1').toString('utf8'));
    }
  }
}

function enterEvent(place: EventPlace, name: string | number): EventPlace | null {
  if (place.at === 'event') {
    if (name === 'message') return { ...place, at: 'message' };
    return name === 'delta' || name === 'content_block' || name === 'error' ? { ...place, at: 'block' } : null;
  }
  if (place.at === 'message') return name === 'content' ? { ...place, at: 'blocks' } : null;
  if (place.at === 'blocks') return { ...place, at: 'block', index: typeof name === 'number' ? name : place.index };
  if (typeof name === 'number') return place;
  const isMedia = mediaNames.has(name);
  const isCited = place.isCited || name === 'citation' || name === 'citations';
  return isMedia === place.isMedia && isCited === place.isCited ? place : { ...place, isMedia, isCited };
}
