import { readBodyTexts, type TextLayout } from '../body-texts.ts';
import type { AnswerTexts, RequestTexts } from '../dialect.ts';
import { isObject, readList } from '../json-fields.ts';
import { readCallNames } from './tool-names.ts';

const requestLayout: TextLayout = {
  members: new Map([['messages', { rule: 'messages', role: 'other' }]]),
  withoutText: new Set(['model']),
};
const answerLayout: TextLayout = {
  members: new Map([['choices', { rule: 'choices', role: 'assistant' }]]),
  withoutText: new Set(['id', 'model', 'system_fingerprint']),
};

/** All texts of a chat request, and the tools that its history says were called. Null where the body is no object, or too much. */
export function readChatRequestTexts(bytes: Uint8Array, body: unknown): RequestTexts | null {
  const texts = readBodyTexts(bytes, body, requestLayout);
  if (texts === null || !isObject(body)) return null;
  return { spots: texts.spots, extras: texts.extras, tools: readList(body.messages).flatMap(readCalls) };
}

/**
 * All texts of a whole chat completion, of every choice, and the tools called. Null where the body is no object, or too
 * much. The `logprobs` of a choice repeat its text in pieces.
 */
export function readChatAnswerTexts(bytes: Uint8Array, body: unknown): AnswerTexts | null {
  const texts = readBodyTexts(bytes, body, answerLayout);
  if (texts === null || !isObject(body)) return null;
  const tools = readList(body.choices).flatMap((choice) =>
    isObject(choice) ? [...readCalls(choice.message), ...readCalls(choice.delta)] : [],
  );
  return { spots: texts.spots, extras: texts.extras, tools, repeats: texts.repeats };
}

/** Names of the tools that a message calls, in order. */
function readCalls(message: unknown): string[] {
  if (!isObject(message)) return [];
  return [...readList(message.tool_calls), message.function_call].flatMap(readCallNames);
}
