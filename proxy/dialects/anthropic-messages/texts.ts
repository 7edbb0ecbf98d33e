import { collectAnswerSpots, readLayout, type TextLayout } from '../body-texts.ts';
import type { AnswerTexts, RequestTexts, TextSpot } from '../dialect.ts';
import { isObject, readList, readText } from '../json-fields.ts';
import { findMember, findOpening, readLatin1 } from '../json-members.ts';

const layout: TextLayout = [
  { name: 'system', rule: 'content', role: 'system' },
  { name: 'messages', rule: 'messages', role: 'other' },
  { name: 'tools', rule: 'descriptions', role: 'other' },
  { name: 'output_format', rule: 'descriptions', role: 'other' },
  { name: 'output_config', rule: 'descriptions', role: 'other' },
];

/** All texts of a messages request, and the tools that its history says were called. Null where the body is no object. */
export function readMessagesRequestTexts(bytes: Uint8Array, body: unknown): RequestTexts | null {
  const spots = readLayout(bytes, body, layout);
  if (spots === null || !isObject(body)) return null;
  const calls = readList(body.messages).flatMap((message) => (isObject(message) ? readToolUses(message.content) : []));
  return { spots, tools: calls };
}

/**
 * All texts of a whole message and the tools called. The input of a tool is an object: each string in it is a spot, its
 * names and numbers are none. Null where the body is no object.
 */
export function readMessageTexts(bytes: Uint8Array, body: unknown): AnswerTexts | null {
  if (!isObject(body)) return null;
  const json = readLatin1(bytes);
  const spots: TextSpot[] = [];
  const content = findMember(json, findOpening(json), 'content');
  if (content !== null) collectAnswerSpots(json, { start: content.start, value: body.content }, spots);
  return { spots, tools: readToolUses(body.content), repeats: [] };
}

/** The name of the tool that a content block calls, the provider's own tools included; null for any other block. */
export function readToolUse(block: unknown): string | null {
  const isCall = isObject(block) && typeof block.type === 'string' && block.type.endsWith('tool_use');
  return isCall ? readText(block.name) : null;
}

function readToolUses(content: unknown): string[] {
  return readList(content).flatMap((block) => readToolUse(block) ?? []);
}
