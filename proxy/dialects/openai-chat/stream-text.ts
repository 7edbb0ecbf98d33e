import { answerSlot, idsSlot } from '../delta-text.ts';
import { isObject, parseJson, readCount, readLatin1Text, readList } from '../json-fields.ts';
import { decodeString, type JsonRange } from '../json-members.ts';
import { walkStrings } from '../json-walk.ts';
import { RepeatedTexts } from '../repeated-text.ts';
import { KeptText } from '../stream-text.ts';
import { chatTextSlots } from './text-slots.ts';

/** Most choices of an answer that are told apart. */
const maxChoices = 1024;

/** Where a walk over a chunk is. */
interface ChunkPlace {
  at: 'chunk' | 'choices' | 'choice' | 'delta' | 'calls';
  choice: number;
  call: number;
}

/** Keeps the text of a chat stream. Texts of one choice and one member, or one call of a tool, are one channel. */
export class ChatStreamText {
  readonly text = new KeptText(chatTextSlots);
  /** Channel of the events that stand in the counter's frame, or null where their text is none or of several. */
  #frame: { channel: string; choice: number } | null = null;
  #only: { channel: string; choice: number; start: number } | null = null;
  #choice = -1;
  readonly #choices = new Set<number>();
  readonly #calls = new Map<string, { id: string | null; index: number }>();
  readonly #repeated = new RepeatedTexts();

  /** Adds an event that stands in the remembered frame, and whose text the counter found. */
  addFramed(data: string, found: JsonRange, from: number): void {
    if (this.#frame === null) {
      this.addEvent(data, from);
      return;
    }
    this.#enterChoice(this.#frame.choice);
    this.text.add(this.#frame.channel, decodeString(data, found.start - 1, found.end + 1));
    this.text.endEvent(from);
  }

  /** Adds any other event. */
  addEvent(data: string, from: number): void {
    this.#only = null;
    const chunk = parseJson(data);
    if (chunk === undefined) {
      if (data.includes('{')) this.text.addBroken(data, from);
      return;
    }
    if (!isObject(chunk)) return;
    let visits = 0;
    this.#repeated.clear();
    walkStrings<ChunkPlace>(data, chunkRoot(data, chunk), {
      enter: enterChunk,
      visit: (place, name, literal) => {
        const slot = place.at === 'delta' ? chatTextSlots.get(`${name}`) : undefined;
        if (slot === undefined || slot >= idsSlot) return;
        const channel = `${place.choice}/${slot === answerSlot ? name : 'reasoning'}/${place.call}`;
        this.#only = { channel, choice: place.choice, start: literal.start };
        visits++;
        const text = decodeString(data, literal.start, literal.end);
        if (text === '' || (slot !== answerSlot && !this.#repeated.isNew(slot, text))) return;
        this.#enterChoice(place.choice);
        this.text.add(channel, text);
      },
    });
    if (visits !== 1) this.#only = null;
    this.#readCalls(chunk.choices);
    this.text.endEvent(from);
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
  return { start: data.indexOf('{'), value: chunk, place: { at: 'chunk', choice: 0, call: 0 } };
}

function enterChunk(place: ChunkPlace, name: string | number, { value }: { value: unknown }): ChunkPlace | null {
  switch (place.at) {
    case 'chunk':
      return name === 'choices' ? { ...place, at: 'choices' } : null;
    case 'choices':
      return { ...place, at: 'choice', choice: (isObject(value) ? readCount(value.index) : null) ?? 0 };
    case 'choice':
      return name === 'delta' ? { ...place, at: 'delta' } : null;
    case 'calls':
      return { ...place, at: 'delta', call: (isObject(value) ? readCount(value.index) : null) ?? Number(name) };
    case 'delta':
      return name === 'tool_calls' ? { ...place, at: 'calls' } : place;
  }
}
