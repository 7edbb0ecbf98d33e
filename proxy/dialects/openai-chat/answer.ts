import { tokensPerAnswer } from '../delta-text.ts';
import type { AnswerFacts } from '../dialect.ts';
import { isObject, type JsonObject, parseJson, readList, readText, viewBytes } from '../json-fields.ts';
import { boundOutputText } from '../output-bound.ts';
import { silentAnswer } from '../usage.ts';
import { boundChatMedia } from './output-media.ts';
import { chatTextSlots } from './text-slots.ts';
import { findChatUsage, readChatUsage } from './usage.ts';

const noJson: ReadonlySet<string> = new Set();

/** Reads a whole chat completion. A body that is no JSON object is a failed answer without facts. */
export function readChatAnswer(body: Uint8Array): AnswerFacts {
  const answer = parseJson(viewBytes(body).toString('utf8'));
  if (!isObject(answer)) return { ...silentAnswer, outputBoundTokens: body.length, failed: true };
  const { usage, reported, flaw } = readChatUsage(findChatUsage(answer));
  const choices = readList(answer.choices);
  return {
    usage,
    usageReported: reported,
    usageFlaw: flaw,
    model: readText(answer.model),
    finishReason: isObject(choices[0]) ? readText(choices[0].finish_reason) : null,
    outputCharacters: choices.reduce<number>((sum, choice) => sum + countChoice(choice), 0),
    outputBoundTokens: boundChoices(choices),
    failed: answer.error !== undefined && answer.error !== null,
  };
}

function boundChoices(choices: readonly unknown[]): number {
  let tokens = 0;
  for (const choice of choices) {
    if (!isObject(choice)) continue;
    tokens += tokensPerAnswer;
    tokens += boundOutputText(choice.message, chatTextSlots, noJson) + boundChatMedia(choice.message);
  }
  return tokens;
}

function countChoice(choice: unknown): number {
  if (!isObject(choice) || !isObject(choice.message)) return 0;
  const { message } = choice;
  let characters = lengthOf(message.refusal);
  let reasoning = Math.max(lengthOf(message.reasoning), lengthOf(message.reasoning_content));
  if (Array.isArray(message.content)) for (const part of message.content) reasoning += countPart(part);
  else characters += lengthOf(message.content);
  for (const call of readList(message.tool_calls)) if (isObject(call)) characters += countCall(call);
  if (isObject(message.function_call)) characters += lengthOf(message.function_call.arguments);
  if (isObject(message.audio)) characters += lengthOf(message.audio.transcript);
  return characters + reasoning;
}

function countPart(part: unknown): number {
  if (!isObject(part)) return 0;
  let nested = 0;
  for (const inner of readList(part.thinking)) if (isObject(inner)) nested += lengthOf(inner.text);
  return lengthOf(part.text) + nested;
}

function countCall(call: JsonObject): number {
  const own = isObject(call.function) ? call.function : isObject(call.custom) ? call.custom : call;
  return lengthOf(own.arguments) + lengthOf(own.input);
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0;
}
