export type TextRole = 'system' | 'user' | 'assistant' | 'tool' | 'other';

/**
 * One text inside a body: where its JSON string lies, so that it can be replaced without touching any other byte.
 * `start` and `end` are byte offsets of the string literal, quotes included; `text` is what a JSON parser reads there.
 */
export interface TextSpot {
  /** `system` with developer messages, `tool` for what a tool returned, `other` for descriptions of tools and schemas. */
  role: TextRole;
  part: 'text' | 'tool_arguments';
  /** Index of its message in a request's list of messages; null outside, and in answers. */
  message: number | null;
  start: number;
  end: number;
  text: string;
}

export interface RequestTexts {
  /** The system prompt first, then the messages in order, then descriptions of tools and schemas. Never base64 media. */
  spots: readonly TextSpot[];
  /** Names of the tools that the messages say were called, one for each call, in order. */
  tools: readonly string[];
}

export interface AnswerTexts {
  /** Answer, refusal, reasoning and arguments of tools, in the order of the bytes; a text sent under two names is two. */
  spots: readonly TextSpot[];
  /** Names of the tools called, one for each call, in order. */
  tools: readonly string[];
  /** Values that repeat the text in pieces (`logprobs`): what redacts a spot must make them null. */
  repeats: readonly { start: number; end: number }[];
}

/** Names of the changes of a policy, as far as a dialect makes them. */
export type BodyChange = 'cap_output' | 'swap_model' | 'drop_tools' | 'redact' | 'add_system' | 'set' | 'remove';

/** What is to be changed in a request's body, all of it at once. */
export interface BodyChanges {
  /** The most output tokens of each answer asked for; a cap that is lower stays. */
  capOutputTokens?: number;
  model?: string;
  /** Tools by their names, or by their types where they have none. */
  dropTools?: readonly string[] | 'all';
  /** Instructions, added behind those that are there, in order. */
  addSystem?: readonly string[];
  /** Top-level members and the JSON texts that become their values. */
  set?: readonly { parameter: string; json: string }[];
  remove?: readonly string[];
  /** Spots of `readRequestTexts`, and what their texts become. */
  replaceTexts?: readonly { start: number; end: number; text: string }[];
}

export interface ChangedBody {
  /** The same bytes where nothing had to be changed. */
  bytes: Uint8Array;
  /** What could not be changed, and why, in words without any of the caller's text. Everything else was. */
  failed: readonly { change: BodyChange; why: string }[];
}
