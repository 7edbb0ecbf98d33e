import { answerSlot, idsSlot } from '../delta-text.ts';
import { mediaNames } from '../encoded-text.ts';
import { isObject, parseJson, readCount, readLatin1Text, readList } from '../json-fields.ts';
import { decodeString, type JsonRange } from '../json-members.ts';
import { walkStrings } from '../json-walk.ts';
import { RepeatedTexts } from '../repeated-text.ts';
import { KeptText, type NamedEvent } from '../stream-text.ts';
import { chatTextSlots } from './text-slots.ts';

/** Most choices of an answer that are told apart. */
const maxChoices = 1024;

/** Where a walk over a chunk is. */
interface ChunkPlace {
  at: 'chunk' | 'choices' | 'choice' | 'delta' | 'calls';
  choice: number;
  call: number;
  isMedia: boolean;
  /** Within a member of audio, whose data is base64 without a word of it. */
  isAudio: boolean;
}

/** A text that goes on from event to event. */
interface ChatChannel {
  name: string;
  choice: number;
  isArguments: boolean;
}

const inBase64 = { type: 'base64' };

/** Names of events that say nothing beyond their data. */
const commonNames: ReadonlySet<string> = new Set(['', 'message', 'error', 'completion', 'chunk', 'data', 'done']);

/** Keeps the text of a chat stream. Texts of one choice and one member, or one call of a tool, are one channel. */
export class ChatStreamText {
  readonly text = new KeptText(chatTextSlots);
  /** Channel of the events that stand in the counter's frame, or null where their text is none or of several. */
  #frame: ChatChannel | null = null;
  #only: (ChatChannel & { start: number }) | null = null;
  #choice = -1;
  readonly #choices = new Set<number>();
  readonly #calls = new Map<string, { id: string | null; index: number }>();
  readonly #repeated = new RepeatedTexts();

  /** Adds an event that stands in the remembered frame, and whose text the counter found. */
  addFramed({ name, data, from }: NamedEvent, found: JsonRange): void {
    if (this.#frame === null || (name !== '' && !commonNames.has(name))) {
      this.addEvent(name, data, from);
      return;
    }
    this.#add(this.#frame, decodeString(data, found.start - 1, found.end + 1));
    this.text.endEvent(from);
  }

  /** Adds any other event. */
  addEvent(name: string, data: string, from: number): void {
    this.#only = null;
    if (!commonNames.has(name)) this.text.addValue('event', '', { text: toUtf8(name), holder: null, isMedia: false });
    const chunk = parseJson(data);
    if (!isObject(chunk)) {
      if (data.includes('{')) this.text.addBroken(data, from);
      else if (data.trim() !== '') this.text.addUnread(data, from);
      return;
    }
    let visits = 0;
    this.#repeated.clear();
    walkStrings<ChunkPlace>(data, chunkRoot(data, chunk), {
      enter: enterChunk,
      visit: (place, member, { start, end, holder }) => {
        if (place.at !== 'delta') return;
        const text = decodeString(data, start, end);
        const slot = chatTextSlots.get(`${member}`);
        if (slot === undefined || slot >= idsSlot) {
          const beside = `${place.choice}/${place.call}`;
          const around = place.isAudio ? inBase64 : holder;
          if (this.text.addValue(beside, member, { text, holder: around, isMedia: place.isMedia })) visits++;
          return;
        }
        visits++;
        const channel = `${place.choice}/${slot === answerSlot ? member : 'reasoning'}/${place.call}`;
        const isArguments = member === 'arguments';
        this.#only = { name: channel, choice: place.choice, isArguments, start };
        if (text === '' || (slot !== answerSlot && !this.#repeated.isNew(slot, text))) return;
        this.#add(this.#only, text);
      },
    });
    if (visits !== 1) this.#only = null;
    this.#readCalls(chunk.choices);
    this.text.endEvent(from);
  }

  #add({ name, choice, isArguments }: ChatChannel, text: string): void {
    if (text === '') return;
    this.#enterChoice(choice);
    if (isArguments) this.text.addArguments(name, text);
    else this.text.add(name, text);
  }

  /** The counter has remembered the frame of the event just added, around the text that it found. */
  rememberFrame(found: JsonRange): void {
    this.#frame = this.#only !== null && this.#only.start === found.start - 1 ? this.#only : null;
  }

  #enterChoice(choice: number): void {
    if (choice === this.#choice) return;
    this.#choice = choice;
    if (this.#choices.has(choice) || this.#choices.size >= maxChoices) this.text.incomplete = true;
    else this.#choices.add(choice);
  }

  #readCalls(choices: unknown): void {
    for (const choice of readList(choices)) {
      if (!isObject(choice) || !isObject(choice.delta)) continue;
      const key = readCount(choice.index) ?? 0;
      for (const [at, call] of readList(choice.delta.tool_calls).entries()) this.#readCall(call, `${key}`, at);
      if (choice.delta.function_call !== undefined) this.#readCall(choice.delta.function_call, `${key}/function`, 0);
    }
  }

  /** A call begins with another index or another id; a name that comes in pieces is one name, and one sent again too. */
  #readCall(call: unknown, choice: string, at: number): void {
    if (!isObject(call)) return;
    const own = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : call;
    const name = readLatin1Text(own.name);
    if (name === null) return;
    const id = readLatin1Text(call.id);
    const key = `${choice}/${readCount(call.index) ?? at}`;
    const known = this.#calls.get(key);
    if (known === undefined || (id !== null && id !== known.id)) {
      const index = this.text.addCall(name);
      if (index >= 0) this.#calls.set(key, { id, index });
      return;
    }
    const before = this.text.tools[known.index];
    if (before !== undefined && before !== name) this.text.lengthenCall(known.index, name);
  }
}

function chunkRoot(data: string, chunk: unknown): { start: number; value: unknown; place: ChunkPlace } {
  return {
    start: data.indexOf('{'),
    value: chunk,
    place: { at: 'chunk', choice: 0, call: 0, isMedia: false, isAudio: false },
  };
}

function enterChunk(place: ChunkPlace, name: string | number, { value }: { value: unknown }): ChunkPlace | null {
  switch (place.at) {
    case 'chunk':
      if (name === 'error') return { ...place, at: 'delta' };
      return name === 'choices' ? { ...place, at: 'choices' } : null;
    case 'choices':
      return { ...place, at: 'choice', choice: (isObject(value) ? readCount(value.index) : null) ?? 0 };
    case 'choice':
      return name === 'delta' || name === 'message' || name === 'text' ? { ...place, at: 'delta' } : null;
    case 'calls':
      return { ...place, at: 'delta', call: (isObject(value) ? readCount(value.index) : null) ?? Number(name) };
    case 'delta':
      return name === 'tool_calls' ? { ...place, at: 'calls' } : enterMember(place, name);
  }
}

/** Names tell media; what is in a member of audio is known by its being there. */
function enterMember(place: ChunkPlace, name: string | number): ChunkPlace {
  if (typeof name === 'number') return place;
  const isMedia = mediaNames.has(name);
  const isAudio = place.isAudio || name === 'audio';
  return isMedia === place.isMedia && isAudio === place.isAudio ? place : { ...place, isMedia, isAudio };
}

function toUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
