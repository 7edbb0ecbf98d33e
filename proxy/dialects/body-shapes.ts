export type TextRole = 'system' | 'user' | 'assistant' | 'tool' | 'other';

/**
 * One text inside a body: where its JSON string lies, so that it can be replaced without touching any other byte.
 * `start` and `end` are byte offsets of the string literal, quotes included; `text` is what a JSON parser reads there.
 */
export interface TextSpot {
  /** `system` with developer messages, `tool` for what a tool returned, `other` for all that nobody said: names, schemas, ids. */
  role: TextRole;
  part: 'text' | 'tool_arguments';
  /** Index of its message in a request's list of messages; null outside, and in answers. */
  message: number | null;
  start: number;
  end: number;
  text: string;
}

/**
 * A text that has no place of its own in which it could be replaced. `of`: indexes of the spots that say the same in other
 * words, so that what is found in those too is one finding.
 */
export interface TextExtra {
  text: string;
  of: readonly number[];
}

export interface RequestTexts {
  /** Every string that is not known to be none, in the order of the bytes. Never base64 media. */
  spots: readonly TextSpot[];
  /**
   * Names of members that the format does not define, one a line; the strings of JSON texts within strings, decoded; the
   * parts of each message as one text; what base64 says where it is text.
   */
  extras: readonly TextExtra[];
  /** Names of the tools that the messages say were called, one for each call, in order. */
  tools: readonly string[];
}

export interface AnswerTexts {
  /** Every string that is not known to be none, in the order of the bytes; a text sent under two names is two. */
  spots: readonly TextSpot[];
  /** As those of a request; the parts of each choice are one text. */
  extras: readonly TextExtra[];
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
  /** Tools by any of their names, or by their types. */
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
