import { readBodyTexts, type TextLayout } from '../body-texts.ts';
import type { AnswerTexts, RequestTexts } from '../dialect.ts';
import { isObject, readList, readText } from '../json-fields.ts';

const requestLayout: TextLayout = {
  members: new Map([
    ['system', { rule: 'content', role: 'system' }],
    ['messages', { rule: 'messages', role: 'other' }],
  ]),
  withoutText: new Set(['model']),
};
const answerLayout: TextLayout = {
  members: new Map([['content', { rule: 'content', role: 'assistant' }]]),
  withoutText: new Set(['id', 'model']),
};

/**
 * All texts of a messages request, and the tools that its history says were called. Null where the body is no object, or
 * too much.
 */
export function readMessagesRequestTexts(bytes: Uint8Array, body: unknown): RequestTexts | null {
  const texts = readBodyTexts(bytes, body, requestLayout);
  if (texts === null || !isObject(body)) return null;
  const calls = readList(body.messages).flatMap((message) => (isObject(message) ? readToolUses(message.content) : []));
  return { spots: texts.spots, extras: texts.extras, tools: calls };
}

/**
 * All texts of a whole message and the tools called. The input of a tool is an object: each string in it is a spot, its
 * names stand in an extra. Null where the body is no object, or too much.
 */
export function readMessageTexts(bytes: Uint8Array, body: unknown): AnswerTexts | null {
  const texts = readBodyTexts(bytes, body, answerLayout);
  if (texts === null || !isObject(body)) return null;
  return { spots: texts.spots, extras: texts.extras, tools: readToolUses(body.content), repeats: [] };
}

/** The name of the tool that a content block calls, the provider's own tools included; null for any other block. */
export function readToolUse(block: unknown): string | null {
  const isCall = isObject(block) && typeof block.type === 'string' && block.type.endsWith('tool_use');
  return isCall ? readText(block.name) : null;
}

function readToolUses(content: unknown): string[] {
  return readList(content).flatMap((block) => readToolUse(block) ?? []);
}
