import { tokensPerAnswer } from '../delta-text.ts';
import type { AnswerFacts } from '../dialect.ts';
import { isObject, parseJson, readList, readText, viewBytes } from '../json-fields.ts';
import { boundOutputText, measureJson } from '../output-bound.ts';
import { silentAnswer } from '../usage.ts';
import { messageTextSlots } from './text-slots.ts';
import { MessageUsage } from './usage.ts';

const toolInput: ReadonlySet<string> = new Set(['input']);

/** Reads a whole message. A body that is no JSON object is a failed answer without facts. */
export function readMessage(body: Uint8Array): AnswerFacts {
  const message = parseJson(viewBytes(body).toString('utf8'));
  if (!isObject(message)) return { ...silentAnswer, outputBoundTokens: body.length, failed: true };
  const collected = new MessageUsage();
  collected.add(message.usage);
  const { usage, reported, flaw } = collected.read();
  return {
    usage,
    usageReported: reported,
    usageFlaw: flaw,
    model: readText(message.model),
    finishReason: readText(message.stop_reason),
    outputCharacters: readList(message.content).reduce<number>((sum, block) => sum + countBlock(block), 0),
    outputBoundTokens: tokensPerAnswer + boundOutputText(message.content, messageTextSlots, toolInput),
    failed: message.type === 'error' || (message.error !== undefined && message.error !== null),
  };
}

function countBlock(block: unknown): number {
  if (!isObject(block)) return 0;
  if (typeof block.text === 'string') return block.text.length;
  if (typeof block.thinking === 'string') return block.thinking.length;
  // A streamed tool call sends these same characters as partial JSON.
  return isObject(block.input) && Object.keys(block.input).length > 0 ? measureJson(block.input).units : 0;
}
