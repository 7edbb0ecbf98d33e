import { countTokens, tokensPerAttachment } from './tokens.ts';

/** A tool offered by a request; `schema` is the JSON Schema of its arguments. */
export interface OfferedTool {
  name: string;
  schema: unknown;
}

/** A request in neutral form, whatever its shape was. */
export interface Asked {
  /** Model without a fault suffix. */
  model: string;
  /** Fault list that stood in the model's name. */
  faultSuffix: string;
  /** All that a model would read, as one text. */
  prompt: string;
  inputTokens: number;
  lastUserText: string;
  /** Whether the last message carries a tool's result. */
  afterTool: boolean;
  tools: readonly OfferedTool[];
  /** `auto`, `none`, `any`, or `tool:<name>`. */
  toolChoice: string;
  /** JSON Schema of the answer; null for plain text. */
  schema: unknown;
  maxOutputTokens: number | null;
  choices: number;
  stream: boolean;
  includeUsage: boolean;
}

/** Why a request cannot be answered, in one sentence. */
export interface Unanswerable {
  problem: string;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a JSON value is an object, which a list and null are not. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON value as a list: the empty one where it is none, as the providers take a wrong type for an absent field. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A cap on output tokens: null unless it is a whole number above zero. */
export function asCap(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : null;
}

/** Text of a message's content and the number of its attachments. */
export interface ContentText {
  text: string;
  attachments: number;
}

/** Reads a message's content: a text, or a list of parts of which some are text, some attachments, some nested. */
export function readContent(content: unknown): ContentText {
  if (typeof content === 'string') return { text: content, attachments: 0 };
  const parts = asList(content).map(readPart);
  return {
    text: parts.map((part) => part.text).join('\n'),
    attachments: parts.reduce((sum, part) => sum + part.attachments, 0),
  };
}

function readPart(part: unknown): ContentText {
  if (!isObject(part)) return { text: '', attachments: 0 };
  if (typeof part.text === 'string') return { text: part.text, attachments: 0 };
  if (part.content !== undefined) return readContent(part.content);
  if (part.input !== undefined) return { text: JSON.stringify(part.input), attachments: 0 };
  return { text: '', attachments: 1 };
}

/** Tokens of a prompt: its characters by the simulator's tokenizer, and a fixed number for each attachment. */
export function countInput(prompt: string, attachments: number): number {
  return Math.max(1, countTokens(prompt.length) + attachments * tokensPerAttachment);
}
