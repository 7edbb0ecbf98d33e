import { gzipSync } from 'node:zlib';
import type { Random } from '../../test/faults/random.ts';

/** What a test stream shows, in order. A tool's name may come in pieces. */
export type Part =
  | { text: string; choice?: number }
  | { name: readonly string[]; id: number; argumentTexts: readonly string[] };

/** One event, with what a reader that gets it whole may know of it. */
export interface SplitEvent {
  /** Comments that are complete before it begins. */
  lead: Buffer;
  bytes: Buffer;
  /** Text that it adds, with the line feed that parts it from another text before it. */
  text: string;
  /** Names of tools begun so far, as far as they are known behind this event. */
  tools: readonly string[];
  /** Whether texts have taken turns by now. */
  incomplete: boolean;
}

/** A stream as it is on the wire, and what it holds. */
export interface SplitStream {
  path: string;
  request: object;
  gzip: boolean;
  events: readonly SplitEvent[];
  /** The terminal event; empty where there is none. */
  terminal: Buffer;
  /** All bytes, before they are compressed. */
  plain: Buffer;
  /** All bytes, as the provider sends them. */
  bytes: Buffer;
}

interface Wire {
  end: string;
  mark: boolean;
  comments: boolean;
  bare: boolean;
}

/** A piece of a text that goes on from event to event; without a channel it is one of its own. */
interface Said {
  channel: string | null;
  text: string;
}

type Frame = { event: string | null; data: object | string; said: readonly Said[]; tools: string[] };

/** Any stream of a dialect that is read: words, tools, choices, line ends, marks and comments as providers send them. */
export function drawStream(random: Random, kind: 'chat' | 'messages'): SplitStream {
  const parts = drawParts(random, kind);
  const wire: Wire = {
    end: random.pick(['\n', '\r\n', '\r']),
    mark: random.chance(0.2),
    comments: random.chance(0.3),
    bare: random.chance(0.3),
  };
  const frames = kind === 'chat' ? frameChat(parts) : frameMessages(parts);
  const hasEnd = random.chance(0.85);
  const stream = renderStream(frames, wire, random);
  const done = kind === 'chat' ? renderFrame({ event: null, data: '[DONE]' }, wire) : renderFrame(messageStop, wire);
  const terminal = Buffer.from(hasEnd ? done : '');
  const plain = Buffer.concat([...stream.flatMap(({ lead, bytes }) => [lead, bytes]), terminal]);
  const gzip = random.chance(0.2);
  return {
    path: kind === 'chat' ? '/v1/chat/completions' : '/v1/messages',
    request: { model: 'sim-1', max_tokens: 2000, stream: true, messages: [{ role: 'user', content: 'hello' }] },
    ...{ gzip, events: stream, terminal, plain, bytes: gzip ? gzipSync(plain) : plain },
  };
}

const letters = ['a', 'b ', 'word ', 'é', '漢', '😀', '\n', '"', '\\', 'x@y.example ', '4111 1111 1111 1111 ', ' '];
/** What the policies of these tests look for. */
export const wanted = 'forbidden';

function drawText(random: Random, most: number): string {
  const length = random.between(0, most);
  let text = '';
  while (text.length < length) text += random.chance(0.02) ? wanted : random.pick(letters);
  return text;
}

function drawParts(random: Random, kind: 'chat' | 'messages'): Part[] {
  const turns = kind === 'chat' && random.chance(0.2);
  return Array.from({ length: random.between(1, 14) }, (_, id) => {
    if (!random.chance(0.25)) {
      const text = drawText(random, random.pick([5, 60, 300, 1500]));
      return turns ? { text, choice: random.between(0, 1) } : { text };
    }
    const name = random.pick([['shell'], ['sh', 'ell'], ['search'], ['sea', 'rch']]);
    // Escapes in arguments are read: what they come to is for the reader's own tests.
    const drawArguments = () => drawText(random, random.pick([20, 300])).replaceAll('\\', '/');
    const argumentTexts = Array.from({ length: random.between(0, 4) }, drawArguments);
    return { name: kind === 'chat' ? name : [name.join('')], id, argumentTexts };
  });
}

/** Cuts a text anywhere, in the middle of a surrogate pair too, as providers do. */
function cutText(text: string): string[] {
  const pieces: string[] = [];
  for (let at = 0, size = 1; at < text.length; at += size, size = ((size * 7) % 41) + 1)
    pieces.push(text.slice(at, at + size));
  return pieces;
}

function frameChat(parts: readonly Part[]): Frame[] {
  const chunk = (delta: object, index = 0, finish: string | null = null) => ({
    ...{ id: 'c', object: 'chat.completion.chunk', model: 'sim-1' },
    choices: [{ index, delta, finish_reason: finish }],
  });
  const silent = { event: null, said: [] };
  const tools: string[] = [];
  const frames: Frame[] = [{ ...silent, data: chunk({ role: 'assistant', content: '' }), tools: [] }];
  for (const part of parts) {
    if ('text' in part) {
      const { choice = 0 } = part;
      for (const text of cutText(part.text)) {
        const said = [{ channel: `${choice}/content`, text }];
        frames.push({ event: null, data: chunk({ content: text }, choice), said, tools: [...tools] });
      }
      continue;
    }
    const channel = `0/call/${part.id}`;
    const call = (own: object) => chunk({ tool_calls: [{ index: part.id, ...own }] });
    tools.push('');
    const [first = '', ...others] = part.argumentTexts;
    for (const [at, piece] of part.name.entries()) {
      tools[tools.length - 1] += piece;
      // Odd, but allowed: arguments that begin before the name is complete.
      const text = at === 0 ? first : '';
      const id = at === 0 ? [{ channel: null, text: `call_${part.id}` }] : [];
      const own = at === 0 ? { id: `call_${part.id}`, type: 'function' } : {};
      const data = call({ ...own, function: { name: piece, arguments: text } });
      const said = [...id, { channel: `name/${part.id}`, text: piece }, { channel, text }];
      frames.push({ event: null, data, said, tools: [...tools] });
    }
    for (const text of others) {
      const said = [{ channel, text }];
      frames.push({ event: null, data: call({ function: { arguments: text } }), said, tools: [...tools] });
    }
  }
  frames.push({ ...silent, data: chunk({}, 0, 'stop'), tools: [...tools] });
  const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
  frames.push({ ...silent, data: { id: 'c', choices: [], usage }, tools: [...tools] });
  return frames;
}

const messageStop = { event: 'message_stop', data: { type: 'message_stop' } };

function frameMessages(parts: readonly Part[]): Frame[] {
  const tools: string[] = [];
  const frames: Frame[] = [];
  const say = (type: string, own: object, ...said: readonly Said[]): void => {
    frames.push({ event: type, data: { type, ...own }, tools: [...tools], said });
  };
  say('message_start', { message: { id: 'm', model: 'sim-1', content: [], usage: { input_tokens: 5 } } });
  for (const [index, part] of parts.entries()) {
    const channel = `${index}`;
    if ('text' in part) {
      say('content_block_start', { index, content_block: { type: 'text', text: '' } });
      for (const text of cutText(part.text))
        say('content_block_delta', { index, delta: { type: 'text_delta', text } }, { channel, text });
    } else {
      tools.push(part.name.join(''));
      const block = { type: 'tool_use', id: `t${part.id}`, name: part.name.join(''), input: {} };
      const name = { channel: `${index} name`, text: block.name };
      say('content_block_start', { index, content_block: block }, { channel: null, text: block.id }, name);
      for (const text of part.argumentTexts)
        say(
          'content_block_delta',
          { index, delta: { type: 'input_json_delta', partial_json: text } },
          { channel, text },
        );
    }
    say('content_block_stop', { index });
  }
  say('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } });
  return frames;
}

function renderFrame({ event, data }: Pick<Frame, 'event' | 'data'>, { end, bare }: Wire): string {
  const colon = bare ? ':' : ': ';
  const name = event === null ? '' : `event${colon}${event}${end}`;
  return `${name}data${colon}${typeof data === 'string' ? data : JSON.stringify(data)}${end}${end}`;
}

function renderStream(frames: readonly Frame[], wire: Wire, random: Random): SplitEvent[] {
  let channel: string | null = null;
  let choice: string | null = null;
  let [incomplete, begun] = [false, false];
  const choices = new Set<string>();
  const channels = new Set<string>();
  return frames.map((frame, at) => {
    let text = '';
    for (const said of frame.said) {
      if (said.text === '') continue;
      const own = /^(\d+)\//.exec(said.channel ?? '')?.[1];
      if (own !== undefined && own !== choice) {
        incomplete ||= choices.has(own);
        choices.add(own);
        choice = own;
      }
      const isOther = said.channel === null || said.channel !== channel;
      if (isOther && said.channel !== null) {
        incomplete ||= channels.has(said.channel);
        channels.add(said.channel);
      }
      text += `${begun && isOther ? '\n' : ''}${said.text}`;
      channel = said.channel;
      begun = true;
    }
    const mark = wire.mark && at === 0 ? '\ufeff' : '';
    const comment = wire.comments && random.chance(0.3) ? `: still here${wire.end}${random.pick(['', wire.end])}` : '';
    const lead = Buffer.from(comment === '' ? '' : mark + comment);
    const bytes = Buffer.from((comment === '' ? mark : '') + renderFrame(frame, wire));
    return { lead, bytes, text, tools: frame.tools, incomplete };
  });
}
