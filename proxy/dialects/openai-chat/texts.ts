import { collectAnswerSpots, readLayout, type TextLayout } from '../body-texts.ts';
import type { AnswerTexts, RequestTexts, TextSpot } from '../dialect.ts';
import { isObject, readList, readText } from '../json-fields.ts';
import { findMember, findOpening, type JsonRange, listElements, listMembers, readLatin1 } from '../json-members.ts';

const layout: TextLayout = [
  { name: 'messages', rule: 'messages', role: 'other' },
  { name: 'prediction', rule: 'content', role: 'other' },
  { name: 'documents', rule: 'content', role: 'other' },
  { name: 'tools', rule: 'descriptions', role: 'other' },
  { name: 'functions', rule: 'descriptions', role: 'other' },
  { name: 'response_format', rule: 'descriptions', role: 'other' },
];

/** All texts of a chat request, and the tools that its history says were called. Null where the body is no object. */
export function readChatRequestTexts(bytes: Uint8Array, body: unknown): RequestTexts | null {
  const spots = readLayout(bytes, body, layout);
  if (spots === null || !isObject(body)) return null;
  return { spots, tools: readList(body.messages).flatMap(readCalls) };
}

/**
 * All texts of a whole chat completion, of every choice, and the tools called. Null where the body is no object. The
 * `logprobs` of a choice repeat its text in pieces.
 */
export function readChatAnswerTexts(bytes: Uint8Array, body: unknown): AnswerTexts | null {
  if (!isObject(body)) return null;
  const json = readLatin1(bytes);
  const choices = readList(body.choices);
  const spots: TextSpot[] = [];
  const repeats: JsonRange[] = [];
  const list = findMember(json, findOpening(json), 'choices');
  for (const [index, element] of (list === null ? [] : listElements(json, list.start)).entries()) {
    const choice = choices[index];
    if (!isObject(choice)) continue;
    for (const { name, start, end } of listMembers(json, element.start)) {
      if (name === 'message') collectAnswerSpots(json, { start, value: choice.message }, spots);
      else if (name === 'logprobs' && isObject(choice.logprobs)) repeats.push({ start, end });
    }
  }
  return { spots, tools: choices.flatMap((choice) => (isObject(choice) ? readCalls(choice.message) : [])), repeats };
}

/** Names of the tools that a message calls, in order. */
function readCalls(message: unknown): string[] {
  if (!isObject(message)) return [];
  const calls = [...readList(message.tool_calls), message.function_call];
  return calls.flatMap((call) => {
    if (!isObject(call)) return [];
    const own = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : call;
    return readText(own.name) ?? [];
  });
}
